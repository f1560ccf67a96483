"""What is kept between the two calls: the appended revision and what was to be signed, never the document."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from signing.pades.revision import Revision
from signing.ports import Level, Profile
from timestamping.algorithms import DigestAlgorithm
from timestamping.cms import encoded, load_certificate

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """The state of a signature between `prepare` and `finish`.

    The caller keeps it (it holds the certificate, so encrypted) and hands `to_be_signed` or its digest to the signer.
    """

    profile: Profile
    document_sha256: bytes
    """SHA-256 of the document that was prepared; `finish` refuses any other."""
    revision: Revision
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """Its verified issuers, nearest first, the anchor last."""
    algorithm: bytes
    """DER of the signature's AlgorithmIdentifier."""
    to_be_signed: bytes
    """The signed attributes, DER SET OF: what the signer hashes and signs."""

    @property
    def digest(self) -> bytes:
        """Digest of `to_be_signed`, which a card signs."""
        return self.profile.digest.digest(self.to_be_signed)

    def to_bytes(self) -> bytes:
        """Serialise, as JSON."""
        revision = self.revision
        state: dict[str, Any] = {
            "format": _FORMAT,
            "level": self.profile.level,
            "digest": self.profile.digest,
            "archive_digest": self.profile.archive_digest,
            "rsa_pss": self.profile.rsa_pss,
            "document_sha256": self.document_sha256.hex(),
            "base": revision.base,
            "contents_start": revision.contents_start,
            "contents_end": revision.contents_end,
            "covered": [_text(bytes(part)) for part in revision.covered()],
            "certificates": [_text(encoded(c)) for c in (self.certificate, *self.chain)],
            "algorithm": _text(self.algorithm),
            "to_be_signed": _text(self.to_be_signed),
        }
        return json.dumps(state, separators=(",", ":")).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Prepared":
        """Restore from `to_bytes`.

        Raises:
            ValueError: it is no such state.
        """
        try:
            state = json.loads(data)
            if state["format"] != _FORMAT:
                raise ValueError(f"unknown format {state['format']}")
            start, end = state["contents_start"], state["contents_end"]
            head, tail = (_octets(part) for part in state["covered"])
            room = b"<" + b"0" * (end - start - 2) + b">"
            certificate, *chain = (load_certificate(_octets(c)) for c in state["certificates"])
            return cls(
                profile=Profile(
                    Level(state["level"]),
                    DigestAlgorithm(state["digest"]),
                    DigestAlgorithm(state["archive_digest"]),
                    state["rsa_pss"],
                ),
                document_sha256=bytes.fromhex(state["document_sha256"]),
                revision=Revision(state["base"], bytearray(head + room + tail), start, end),
                certificate=certificate,
                chain=tuple(chain),
                algorithm=_octets(state["algorithm"]),
                to_be_signed=_octets(state["to_be_signed"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a prepared signature: {error}") from error


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
