"""Certificates, OCSP responses and CRLs, right or wrong as a test wants them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Extensions = Iterable[tuple[x509.ExtensionType, bool]]

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
OCSP_URL = "http://ocsp.test/"
CRL_URL = "http://crl.test/ca.crl"


@dataclass(frozen=True)
class Holder:
    """A key and its certificate."""

    key: PrivateKey
    certificate: x509.Certificate


def usage(*names: str) -> x509.KeyUsage:
    """Return a key usage with the bits of these names (RFC 5280, 4.2.1.3, in snake case)."""
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in names for bit in bits})


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def issue(
    common_name: str,
    issuer: Holder | None = None,
    *,
    key: PrivateKey | None = None,
    not_before: datetime = NOW - DAY,
    not_after: datetime = NOW + DAY,
    extensions: Extensions = (),
) -> Holder:
    """Issue a certificate with these extensions only; self-signed without an issuer."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        subject_name=name(common_name),
        issuer_name=name(common_name) if issuer is None else issuer.certificate.subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=not_before,
        not_valid_after=not_after,
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Holder(key, builder.sign((issuer.key if issuer else key), hashes.SHA256()))


def authority(
    common_name: str,
    issuer: Holder | None = None,
    *,
    path_length: int | None = None,
    key: PrivateKey | None = None,
    not_before: datetime = NOW - DAY,
    not_after: datetime = NOW + DAY,
    extensions: Extensions = (),
) -> Holder:
    """Issue the certificate of a CA that may sign certificates and CRLs."""
    return issue(
        common_name,
        issuer,
        key=key,
        not_before=not_before,
        not_after=not_after,
        extensions=[
            (x509.BasicConstraints(ca=True, path_length=path_length), True),
            (usage("key_cert_sign", "crl_sign"), True),
            *extensions,
        ],
    )


def signer(common_name: str, issuer: Holder, *, ocsp_url: str | None = OCSP_URL, crl_url: str | None = None) -> Holder:
    """Issue the certificate of a person, with the places where its revocation is told."""
    return issue(common_name, issuer, extensions=[(usage("content_commitment"), True), *_places(ocsp_url, crl_url)])


def responder(
    issuer: Holder,
    *,
    no_check: bool = True,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.OCSP_SIGNING,
    not_before: datetime = NOW - DAY,
    not_after: datetime = NOW + DAY,
    extensions: Extensions = (),
) -> Holder:
    """Issue the certificate of a delegated OCSP responder (RFC 6960, 4.2.2.2)."""
    mark: list[tuple[x509.ExtensionType, bool]] = [(x509.OCSPNoCheck(), False)] if no_check else []
    return issue(
        "Responder",
        issuer,
        not_before=not_before,
        not_after=not_after,
        extensions=[(x509.ExtendedKeyUsage([purpose]), False), *mark, *extensions],
    )


def ocsp_response(
    about: Holder,
    issuer: Holder,
    signed_by: Holder | None = None,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    revoked_at: datetime | None = None,
    this_update: datetime = NOW,
    next_update: datetime | None = NOW + timedelta(minutes=10),
    algorithm: hashes.HashAlgorithm = hashes.SHA1(),  # noqa: S303 - it only names the issuer
    certificates: Iterable[x509.Certificate] | None = None,
    by_name: bool = False,
) -> bytes:
    """Sign an OCSP response about a certificate, as the issuer itself or a responder with its certificate inside."""
    signing = signed_by or issuer
    encoding = ocsp.OCSPResponderEncoding.NAME if by_name else ocsp.OCSPResponderEncoding.HASH
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=about.certificate,
            issuer=issuer.certificate,
            algorithm=algorithm,
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked_at else status,
            this_update=this_update,
            next_update=next_update,
            revocation_time=revoked_at,
            revocation_reason=None,
        )
        .responder_id(encoding, signing.certificate)
    )
    embedded = list(certificates if certificates is not None else [signing.certificate] if signed_by else [])
    if embedded:
        builder = builder.certificates(embedded)
    return builder.sign(signing.key, hashes.SHA256()).public_bytes(Encoding.DER)


def revocation_list(
    issuer: Holder,
    revoked: dict[int, datetime] | None = None,
    *,
    signed_by: Holder | None = None,
    this_update: datetime = NOW - timedelta(minutes=30),
    next_update: datetime | None = NOW + DAY,
    extensions: Extensions = (),
) -> bytes:
    """Sign a CRL under the issuer's name, with serial numbers and the times of their revocation."""
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.certificate.subject, last_update=this_update, next_update=next_update or NOW + DAY
    ).add_extension(x509.CRLNumber(1), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for serial_number, moment in (revoked or {}).items():
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial_number, moment).build())
    return builder.sign((signed_by or issuer).key, hashes.SHA256()).public_bytes(Encoding.DER)


def _places(ocsp_url: str | None, crl_url: str | None) -> list[tuple[x509.ExtensionType, bool]]:
    places: list[tuple[x509.ExtensionType, bool]] = []
    if ocsp_url:
        location = x509.UniformResourceIdentifier(ocsp_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, location)
        places.append((x509.AuthorityInformationAccess([access]), False))
    if crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
        places.append((x509.CRLDistributionPoints([point]), False))
    return places


def with_duplicate_extension(holder: Holder) -> Holder:
    """Return the holder under a certificate with its first extension twice (RFC 5280, 4.2 forbids it), badly signed."""
    certificate = asn1_x509.Certificate.load(holder.certificate.public_bytes(Encoding.DER))
    extensions = certificate["tbs_certificate"]["extensions"]
    extensions.append(extensions[0])
    return Holder(holder.key, x509.load_der_x509_certificate(certificate.dump()))


def on_an_unknown_curve(holder: Holder) -> Holder:
    """Return the holder under a certificate whose key lies on a curve that nobody knows, badly signed."""
    known, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030163")
    encoded = holder.certificate.public_bytes(Encoding.DER)
    assert known in encoded
    return Holder(holder.key, x509.load_der_x509_certificate(encoded.replace(known, unknown)))


X400_NAME = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, bytes.fromhex("3004a3020500"))
"""An alternative name of a kind that RFC 5280 knows and `cryptography` does not."""


def with_malformed_subject(holder: Holder) -> Holder:
    """Return the holder under a certificate whose subject is no name; parsers notice only when asked for it."""
    encoded = holder.certificate.public_bytes(Encoding.DER)
    subject = holder.certificate.subject.public_bytes()
    at = encoded.rindex(subject)
    broken = subject.replace(b"\x0c", b"\x0d", 1)
    return Holder(holder.key, x509.load_der_x509_certificate(encoded[:at] + broken + encoded[at + len(subject) :]))
