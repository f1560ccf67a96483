"""A timestamping authority whose unit and CA are revoked as a test wants it, and what is published about them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from asn1crypto import cms as asn1
from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.line import POLICY
from tests.unit.signing.issuing import DAY, NOW, Extensions, Holder, authority, issue, responder, usage
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import SoftwareTsuKey, TokenFactory
from timestamping.request import build_request, parse_request
from timestamping.revocation_values import OID_REVOCATION_VALUES

DATA: Final = b"what is stamped"
GEN_TIME: Final = NOW - timedelta(hours=2)
BEFORE: Final = GEN_TIME - timedelta(minutes=30)
AFTER: Final = GEN_TIME + timedelta(minutes=30)
REASONS: Final = MappingProxyType({reason.value: reason for reason in x509.ReasonFlags} | {"none stated": None})
STAYS_VALID: Final = frozenset({"unspecified", "affiliationChanged", "superseded", "cessationOfOperation"})
"""RFC 3161, clause 4, item 1."""

Revoked = tuple[Holder, datetime, x509.ReasonFlags | None]


@dataclass(frozen=True)
class Authority:
    """Root, CA, unit and OCSP responder of one timestamping authority."""

    root: Holder = field(default_factory=lambda: authority("TEST Root", not_before=NOW - 30 * DAY))
    unit_until: datetime = NOW + DAY
    with_check: bool = False
    """Whether the responder's certificate can be revoked (no id-pkix-ocsp-nocheck)."""
    ca: Holder = field(init=False)
    unit: Holder = field(init=False)
    responder: Holder = field(init=False)

    def __post_init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        mark = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        ca = authority(
            "TEST Timestamping CA", self.root, key=key, not_before=NOW - 30 * DAY, extensions=[(mark, False)]
        )
        by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(mark)
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        unit = issue(
            "TEST Timestamping Unit",
            ca,
            not_before=NOW - 10 * DAY,
            not_after=self.unit_until,
            extensions=[(purpose, True), (usage("digital_signature"), True), (by, False)],
        )
        object.__setattr__(self, "ca", ca)
        object.__setattr__(self, "unit", unit)
        object.__setattr__(self, "responder", responder(ca, no_check=not self.with_check))

    @property
    def path(self) -> tuple[x509.Certificate, ...]:
        """The unit first, the root last."""
        return self.unit.certificate, self.ca.certificate, self.root.certificate

    def token(self, crls: Iterable[bytes] = (), ocsps: Iterable[bytes] = (), *, attribute: bool = False) -> bytes:
        """A token of `GEN_TIME` over `DATA`, with revocation data in the field `crls` or in revocation-values."""
        factory = TokenFactory(SoftwareTsuKey(self.unit.key), self.unit.certificate, self.path[1:2], policy=POLICY)
        algorithm = DigestAlgorithm.SHA256
        request = parse_request(build_request(algorithm.digest(DATA), algorithm, nonce=1, policy=POLICY))
        token = factory.token(request, algorithm, GEN_TIME)
        return with_attribute(token, crls, ocsps) if attribute else with_field(token, crls, ocsps)


def crl(
    issuer: Holder,
    *revoked: Revoked,
    this_update: datetime = NOW - timedelta(minutes=5),
    next_update: datetime = NOW + DAY,
    extensions: Extensions = (),
    invalid_at: datetime | None = None,
) -> bytes:
    """A CRL, DER; a reason of None is left out."""
    builder = x509.CertificateRevocationListBuilder(issuer.certificate.subject, this_update, next_update)
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for holder, moment, reason in revoked:
        entry = x509.RevokedCertificateBuilder(holder.certificate.serial_number, moment)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        if invalid_at is not None:
            entry = entry.add_extension(x509.InvalidityDate(invalid_at), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def answer(
    about: Holder,
    issuer: Holder,
    signed_by: Holder,
    revoked_at: datetime | None = None,
    reason: x509.ReasonFlags | None = None,
    *,
    unknown: bool = False,
    this_update: datetime = NOW - timedelta(minutes=5),
    next_update: datetime | None = NOW + DAY,
) -> bytes:
    """An OCSP response, DER."""
    known = ocsp.OCSPCertStatus.UNKNOWN if unknown else ocsp.OCSPCertStatus.GOOD
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=about.certificate,
            issuer=issuer.certificate,
            algorithm=hashes.SHA1(),  # noqa: S303 - it only names the issuer
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked_at else known,
            this_update=this_update,
            next_update=next_update,
            revocation_time=revoked_at,
            revocation_reason=reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signed_by.certificate)
        .certificates([signed_by.certificate])
    )
    return builder.sign(signed_by.key, hashes.SHA256()).public_bytes(Encoding.DER)


def with_field(token: bytes, crls: Iterable[bytes], ocsps: Iterable[bytes]) -> bytes:
    """The token with revocation data in the field `crls` of its SignedData (RFC 5652, 10.2.1; RFC 5940)."""
    content = asn1.ContentInfo.load(token)
    choices = [asn1.RevocationInfoChoice("crl", asn1_crl.CertificateList.load(each)) for each in crls]
    for each in ocsps:
        other = {"other_rev_info_format": "1.3.6.1.5.5.7.16.2", "other_rev_info": asn1_ocsp.OCSPResponse.load(each)}
        choices.append(asn1.RevocationInfoChoice("other", asn1.OtherRevocationInfoFormat(other)))
    if choices:
        content["content"]["crls"] = choices
    encoded: bytes = content.dump(force=True)
    return encoded


def with_attribute(token: bytes, crls: Iterable[bytes], ocsps: Iterable[bytes]) -> bytes:
    """The token with revocation data in the unsigned attribute revocation-values (EN 319 122-1, A.1.4)."""
    basic = [asn1_ocsp.OCSPResponse.load(each)["response_bytes"]["response"].parsed.dump() for each in ocsps]
    values = der.sequence(
        der.tlv(0xA0, der.sequence(*crls)),
        der.tlv(0xA1, der.sequence(*basic)),
    )
    content = asn1.ContentInfo.load(token)
    attribute = asn1.CMSAttribute.load(der.sequence(der.oid(OID_REVOCATION_VALUES), der.tlv(0x31, values)))
    content["content"]["signer_infos"][0]["unsigned_attrs"] = [attribute]
    encoded: bytes = content.dump(force=True)
    return encoded
