"""X.509 certificates of the demo PKI (RFC 5280; profiles of EN 319 412-2 for signers and RFC 3161, clause 2.3)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
KeyType = Literal["p256", "p384", "rsa2048", "rsa3072"]
SignerKeyUsage = Literal["non_repudiation", "digital_signature"]
Issuer = Literal["root", "citizen", "timestamping"]

ISSUERS: tuple[Issuer, ...] = ("root", "citizen", "timestamping")
OCSP_PATH = "/ocsp"
TSA_PATH = "/tsa"

ORGANISATION = "TEST FTS demo"
COUNTRY = "BE"

Extensions = Iterable[tuple[x509.ExtensionType, bool]]
"""Extensions with their criticality."""


@dataclass(frozen=True)
class Entity:
    """A key pair with its certificate."""

    name: str
    key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """The issuers' certificates, nearest first, root last; empty for the root."""


@dataclass(frozen=True)
class Validity:
    """The validity of a certificate, both ends included (RFC 5280, clause 4.1.2.5)."""

    not_before: datetime
    not_after: datetime

    @classmethod
    def of_years(cls, not_before: datetime, years: int) -> Self:
        """Return the period of `years` years of 365.25 days from `not_before`."""
        return cls(not_before, not_before + timedelta(days=years * 365 + years // 4))


def crl_path(issuer: Issuer) -> str:
    """Return the path, below the base URL, of the CRL that `issuer` publishes."""
    return f"/crl/{issuer}.crl"


def certificate_path(issuer: Issuer) -> str:
    """Return the path, below the base URL, of the certificate of `issuer`."""
    return f"/ca/{issuer}.crt"


def generate_key(key_type: KeyType) -> PrivateKey:
    """Generate a software key."""
    match key_type:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "rsa2048":
            return rsa.generate_private_key(65537, 2048)
        case "rsa3072":
            return rsa.generate_private_key(65537, 3072)


def fictitious_national_number(sequence: int) -> str:
    """Return the Belgian national number of a person who cannot exist, born on day 32 of month 13.

    Args:
        sequence: 1 to 997, the number's serial part.

    Raises:
        ValueError: `sequence` is out of range.
    """
    if not 1 <= sequence <= 997:
        raise ValueError(f"The serial part of a national number is 1 to 997, not {sequence}.")
    body = f"001332{sequence:03d}"
    return f"{body}{97 - int(body) % 97:02d}"


def root_certificate(key: PrivateKey, validity: Validity) -> x509.Certificate:
    """Issue the self-signed trust anchor."""
    name = _organisation_name("TEST Root CA - NOT FOR PRODUCTION")
    extensions = _authority_extensions(path_length=None)
    return _sign(name, key.public_key(), name, key, validity=validity, extensions=extensions)


def authority_certificate(
    common_name: str, key: PrivateKey, root: Entity, validity: Validity, base_url: str
) -> x509.Certificate:
    """Issue an intermediate authority below which only end entities may stand."""
    extensions = (
        *_authority_extensions(path_length=0),
        _crl_distribution_points(base_url, "root"),
        _authority_information_access(base_url, "root", ocsp=False),
    )
    return _issue(_organisation_name(common_name), key.public_key(), root, validity, extensions)


def ocsp_responder_certificate(
    key: PrivateKey, citizen_ca: Entity, validity: Validity, base_url: str
) -> x509.Certificate:
    """Issue a delegated responder that is not to be checked itself (RFC 6960, clauses 4.2.2.2 and 4.2.2.2.1)."""
    extensions: Extensions = (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
        (x509.OCSPNoCheck(), False),
        _authority_information_access(base_url, "citizen", ocsp=False),
    )
    return _issue(_organisation_name("TEST OCSP Responder"), key.public_key(), citizen_ca, validity, extensions)


def signer_certificate(
    name: str,
    key: PrivateKey,
    citizen_ca: Entity,
    validity: Validity,
    base_url: str,
    *,
    national_number: str,
    key_usage: SignerKeyUsage,
    ocsp: bool,
    crl: bool,
) -> x509.Certificate:
    """Issue a natural person's certificate, named as on a Belgian identity card but without its policies."""
    surname = f"Signer {name}"
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
            x509.NameAttribute(NameOID.COMMON_NAME, f"TEST {surname} (Signature)"),
            x509.NameAttribute(NameOID.SURNAME, surname),
            x509.NameAttribute(NameOID.GIVEN_NAME, "TEST"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, national_number),
        ]
    )
    usage = (
        _key_usage(content_commitment=True) if key_usage == "non_repudiation" else _key_usage(digital_signature=True)
    )
    extensions = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        _authority_information_access(base_url, "citizen", ocsp=ocsp),
    ]
    if crl:
        extensions.append(_crl_distribution_points(base_url, "citizen"))
    return _issue(subject, key.public_key(), citizen_ca, validity, extensions)


def tsu_certificate(
    name: str,
    key: PrivateKey,
    timestamping_ca: Entity,
    validity: Validity,
    base_url: str,
    *,
    extended_key_usage_critical: bool,
) -> x509.Certificate:
    """Issue a timestamping unit's certificate, its key for nothing else (RFC 3161, clause 2.3)."""
    extensions: Extensions = (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), extended_key_usage_critical),
        _crl_distribution_points(base_url, "timestamping"),
        _authority_information_access(base_url, "timestamping", ocsp=False),
    )
    subject = _organisation_name(f"TEST Timestamping Unit {name}")
    return _issue(subject, key.public_key(), timestamping_ca, validity, extensions)


def _organisation_name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _authority_extensions(*, path_length: int | None) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return (
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (_key_usage(key_cert_sign=True, crl_sign=True), True),
    )


def _key_usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _crl_distribution_points(base_url: str, issuer: Issuer) -> tuple[x509.ExtensionType, bool]:
    location = x509.UniformResourceIdentifier(base_url + crl_path(issuer))
    point = x509.DistributionPoint([location], relative_name=None, reasons=None, crl_issuer=None)
    return x509.CRLDistributionPoints([point]), False


def _authority_information_access(base_url: str, issuer: Issuer, *, ocsp: bool) -> tuple[x509.ExtensionType, bool]:
    ca_issuers = x509.UniformResourceIdentifier(base_url + certificate_path(issuer))
    descriptions = [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, ca_issuers)]
    if ocsp:
        responder = x509.UniformResourceIdentifier(base_url + OCSP_PATH)
        descriptions.insert(0, x509.AccessDescription(AuthorityInformationAccessOID.OCSP, responder))
    return x509.AuthorityInformationAccess(descriptions), False


def _issue(
    subject: x509.Name, key: PublicKey, issuer: Entity, validity: Validity, extensions: Extensions
) -> x509.Certificate:
    return _sign(subject, key, issuer.certificate.subject, issuer.key, validity=validity, extensions=extensions)


def _sign(
    subject: x509.Name,
    key: PublicKey,
    issuer_name: x509.Name,
    issuer_key: PrivateKey,
    *,
    validity: Validity,
    extensions: Extensions,
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        issuer_name=issuer_name,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=validity.not_before,
        not_valid_after=validity.not_after,
    )
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(authority_key, critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())
