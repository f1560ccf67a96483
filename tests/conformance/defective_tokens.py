"""Replies of a timestamping authority with one defect each, put together with asn1crypto (RFC 3161, RFC 5652)."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_pki.pki import Entity
from tests.support.line import POLICY
from timestamping.clock import utc_now

SHA1, SHA256 = "sha1", "sha256"
EXTENSION: dict[str, object] = {"extn_id": "2.25.1", "critical": False, "extn_value": b"\5\0"}
"""An extension that nobody knows."""


@dataclass
class Parts:
    """What a reply is made of; a defect changes it before anything is encoded and signed."""

    tsu: Entity
    request: tsp.TimeStampReq
    status: int = 0
    with_token: bool = True
    info: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    """Values of the signed attributes by their asn1crypto names."""
    more_attributes: list[tuple[str, list[Any]]] = field(default_factory=list)
    """Further signed attributes with any number of values; a value of None for message_digest is the right one."""
    sorted_attributes: bool = True
    content_type: str = "tst_info"
    digest: str = SHA256
    certificates: list[x509.Certificate] = field(default_factory=list)
    signers: int = 1
    named: x509.Certificate | None = None
    """The certificate that issuer and serial number in the SignerInfo are of; the unit's by default."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None
    changes: list[Callable[[bytes], bytes]] = field(default_factory=list)
    """Made to the token when all is signed."""
    behind: bytes = b""
    """Octets behind the reply."""


Defect = Callable[[Parts], None]


def reply(query: bytes, tsu: Entity, defect: Defect) -> bytes:
    """A TimeStampResp to a query, good but for the defect."""
    request = tsp.TimeStampReq.load(query, strict=True)
    parts = Parts(tsu, request, certificates=[tsu.certificate, tsu.chain[0]])
    parts.info = {
        "version": "v1",
        "policy": POLICY,
        "message_imprint": request["message_imprint"].copy(),
        "serial_number": secrets.randbits(120),
        "gen_time": utc_now().replace(microsecond=0),
        "accuracy": {"seconds": 1},
        "nonce": request["nonce"].native,
    }
    parts.attributes = {
        "content_type": "tst_info",
        "message_digest": None,
        "signing_certificate_v2": ess_v2(tsu.certificate),
    }
    defect(parts)
    token = _token(parts) if parts.with_token else b""
    status = tsp.PKIStatusInfo({"status": parts.status}).dump()
    return _sequence(status + token) + parts.behind


def ess_v2(certificate: x509.Certificate) -> tsp.SigningCertificateV2:
    """SigningCertificateV2 (RFC 5035) with the SHA-256 of a certificate."""
    digest = certificate.fingerprint(hashes.SHA256())
    return tsp.SigningCertificateV2({"certs": [{"cert_hash": digest}]})


def ess_v1(certificate: x509.Certificate) -> tsp.SigningCertificate:
    """SigningCertificate (RFC 2634) with the SHA-1 of a certificate."""
    digest = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - the defect
    return tsp.SigningCertificate({"certs": [{"cert_hash": digest}]})


def raw_time(text: str) -> core.GeneralizedTime:
    """A GeneralizedTime with this text, whatever it is."""
    octets = text.encode("ascii")
    return core.GeneralizedTime.load(bytes((0x18, len(octets))) + octets)


def directory_name(name: x509.Name) -> asn1_x509.GeneralName:
    """A name as TSTInfo.tsa."""
    return asn1_x509.GeneralName("directory_name", asn1_x509.Name.load(name.public_bytes()))


def _token(parts: Parts) -> bytes:
    info = tsp.TSTInfo({name: value for name, value in parts.info.items() if value is not None})
    content = info.dump()
    digest = hashlib.new(parts.digest, content).digest()
    attributes = _attributes(parts, digest)
    named = asn1_x509.Certificate.load((parts.named or parts.tsu.certificate).public_bytes(Encoding.DER))
    algorithm, value = _signature(parts, attributes.dump())
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number",
                {"issuer": named.issuer, "serial_number": named.serial_number},
            ),
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": parts.digest}),
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": algorithm}),
            "signature": value,
        }
    )
    fields: dict[str, Any] = {
        "version": "v3",
        "digest_algorithms": [{"algorithm": parts.digest}],
        "encap_content_info": {
            "content_type": parts.content_type,
            "content": core.ParsableOctetString(content, explicit=0),
        },
        "signer_infos": [signer] * parts.signers,
    }
    if parts.certificates:
        fields["certificates"] = [
            asn1_x509.Certificate.load(each.public_bytes(Encoding.DER)) for each in parts.certificates
        ]
    signed = cms.SignedData(fields)
    encoded: bytes = cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()
    for change in parts.changes:
        encoded = change(encoded)
    return encoded


def _attributes(parts: Parts, digest: bytes) -> cms.CMSAttributes:
    wanted = [(name, [value]) for name, value in parts.attributes.items()] + parts.more_attributes
    encoded = sorted(
        cms.CMSAttribute(
            {
                "type": name,
                "values": [digest if value is None and name == "message_digest" else value for value in values],
            }
        ).dump()
        for name, values in wanted
    )
    if not parts.sorted_attributes:
        encoded.reverse()
    return cms.CMSAttributes.load(core.SetOf(spec=core.Any, contents=b"".join(encoded)).dump())


def _signature(parts: Parts, data: bytes) -> tuple[str, bytes]:
    key = parts.key or parts.tsu.key
    primitive = hashes.SHA1() if parts.digest == SHA1 else hashes.SHA256()  # noqa: S303 - the defect
    if isinstance(key, rsa.RSAPrivateKey):
        return f"{parts.digest}_rsa", key.sign(data, padding.PKCS1v15(), primitive)
    return f"{parts.digest}_ecdsa", key.sign(data, ec.ECDSA(primitive))


def _sequence(content: bytes) -> bytes:
    return core.Sequence(contents=content).dump()  # type: ignore[no-any-return]
