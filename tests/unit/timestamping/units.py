"""Timestamping units in process with a clock that stands still, and tokens put together by hand."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import core, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.signing.issuing import Extensions, Holder, PrivateKey, authority, issue, usage
from timestamping import cms, der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey, TokenFactory, signing_certificate_v2
from timestamping.authority.policies import Policies
from timestamping.authority.unit import TimestampingUnit
from timestamping.request import message_imprint

POLICY = "2.25.4711"
MOMENT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
AFTER_THE_END = MOMENT + timedelta(days=2)
"""When the units' certificates are over."""
SHA256 = DigestAlgorithm.SHA256

EKU = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
TIME_STAMPING: Extensions = ((usage("digital_signature"), True), (EKU, True))


@dataclass(frozen=True)
class Unit:
    """A unit and its authority."""

    ca: Holder
    tsu: Holder
    factory: TokenFactory
    authority: Authority

    def reply(self, query: bytes) -> bytes:
        """What the authority answers."""
        return answer(self.authority, query)


def answer(authority: Authority, query: bytes) -> bytes:
    """Ask an authority, inside or outside of an event loop: on a loop of its own, in a thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, authority.reply(query)).result()


def make_unit(
    *, key: PrivateKey | None = None, digest: DigestAlgorithm = SHA256, extensions: Extensions = TIME_STAMPING
) -> Unit:
    """Make an authority whose unit has a certificate with these extensions."""
    ca = authority("Timestamping CA")
    tsu = issue("Timestamping Unit", ca, key=key or ec.generate_private_key(ec.SECP256R1()), extensions=extensions)
    tsu_key, chain = SoftwareTsuKey(tsu.key, digest), (ca.certificate,)
    factory = TokenFactory(tsu_key, tsu.certificate, chain, policy=POLICY, digest=digest)
    unit = TimestampingUnit(tsu_key, tsu.certificate, chain, digest=digest)
    return Unit(ca, tsu, factory, Authority(unit, lambda: MOMENT, policies=Policies(POLICY)))


def status_of(reply: bytes) -> tuple[tsp.PKIStatusInfo, bytes | None]:
    """Return the status of a reply and its token (asn1crypto's TimeStampResp takes the token for mandatory)."""
    outer = core.Sequence.load(reply, strict=True)
    assert len(outer) in (1, 2)
    return tsp.PKIStatusInfo.load(outer[0].dump(), strict=True), outer[1].dump() if len(outer) == 2 else None


def tst_info(
    *,
    version: int = 1,
    imprint: bytes = message_imprint(SHA256, bytes(32)),
    serial_number: int = 1,
    gen_time: bytes = der.generalized_time(MOMENT),
    more: Sequence[bytes] = (),
) -> bytes:
    """Encode a TSTInfo (RFC 3161, 2.4.2); `more` stands behind genTime."""
    return der.sequence(der.integer(version), der.oid(POLICY), imprint, der.integer(serial_number), gen_time, *more)


def attributes_of(
    tsu: Holder, content: bytes, content_type: str = cms.OID_TST_INFO, digest: DigestAlgorithm = SHA256
) -> dict[str, bytes]:
    """Return the signed attributes that a token must have, by name."""
    return {
        "content type": der.attribute(cms.OID_CONTENT_TYPE, der.oid(content_type)),
        "message digest": der.attribute(cms.OID_MESSAGE_DIGEST, der.octet_string(digest.digest(content))),
        "signing certificate": der.attribute(
            cms.OID_SIGNING_CERTIFICATE_V2, signing_certificate_v2(tsu.certificate, SHA256)
        ),
    }


def signed_data(
    tsu: Holder,
    content: bytes,
    attributes: Sequence[bytes] | None = None,
    *,
    key: PrivateKey | None = None,
    certificates: Sequence[x509.Certificate] | None = None,
    content_type: str = cms.OID_TST_INFO,
    signers: int = 1,
) -> bytes:
    """Sign content and attributes, right or wrong, with the holder's key or another."""
    if attributes is None:
        attributes = list(attributes_of(tsu, content, content_type).values())
    signed = der.set_of(*attributes)
    signing_key = key or tsu.key
    if isinstance(signing_key, rsa.RSAPrivateKey):
        algorithm = der.sequence(der.oid("1.2.840.113549.1.1.11"), der.NULL)
        value = signing_key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"))
        value = signing_key.sign(signed, ec.ECDSA(hashes.SHA256()))
    name = der.sequence(tsu.certificate.issuer.public_bytes(), der.integer(tsu.certificate.serial_number))
    digest = der.sequence(der.oid(SHA256.oid))
    signer = der.sequence(der.integer(1), name, digest, b"\xa0" + signed[1:], algorithm, der.octet_string(value))
    embedded = [c.public_bytes(Encoding.DER) for c in ([tsu.certificate] if certificates is None else certificates)]
    return der.sequence(
        der.oid(cms.OID_SIGNED_DATA),
        der.explicit(
            0,
            der.sequence(
                der.integer(3),
                der.set_of(digest),
                der.sequence(der.oid(content_type), der.explicit(0, der.octet_string(content))),
                der.tlv(0xA0, *embedded),
                der.tlv(0x31, *[signer] * signers),
            ),
        ),
    )
