"""Timestamping authorities as a document process is told of them."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fts.frames import Message
from timestamping.client.settings import Rate, TsaSettings


def message_of(tsa: TsaSettings) -> Message:
    """Return an authority as a document process is told of it."""
    return {
        "url": tsa.url,
        "policy": tsa.policy,
        "rate": None if tsa.rate is None else [tsa.rate.requests, tsa.rate.seconds],
        "header": tsa.header,
        "anchors": [anchor.public_bytes(Encoding.DER).hex() for anchor in tsa.anchors],
        "connect_seconds": tsa.connect_seconds,
        "attempt_seconds": tsa.attempt_seconds,
        "qualified_required": tsa.qualified_required,
    }


def tsa_of(message: Message) -> TsaSettings:
    """Return the authority that a message describes (see `message_of`)."""
    return TsaSettings(
        **message
        | {
            "rate": None if message["rate"] is None else Rate(*message["rate"]),
            "header": None if message["header"] is None else tuple(message["header"]),
            "anchors": tuple(x509.load_der_x509_certificate(bytes.fromhex(der)) for der in message["anchors"]),
        }
    )
