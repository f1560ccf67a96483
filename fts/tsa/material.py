"""A root and a timestamping unit for tests and demonstrations, made on the spot: they prove nothing to anybody."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from timestamping.clock import Clock

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

KEYS: Final[dict[str, Callable[[], PrivateKey]]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa4096": lambda: rsa.generate_private_key(65537, 4096),
}
"""How a key is made, by its kind."""

_ROOT_DAYS: Final = 730
_UNIT_DAYS: Final = 365
_USAGE_DAYS: Final = 180
_LEAST_LEFT: Final = timedelta(days=1)
_TEST_NAME: Final = "TEST FTS demo"


@dataclass(frozen=True, slots=True)
class Material:
    """The files of a test unit."""

    root: Path
    """The root's certificate, PEM: what a verifier trusts."""
    certificates: Path
    """The unit's certificate, PEM."""
    key: Path
    """The unit's key, PKCS#8 in PEM."""


def demo_unit(directory: Path, kind: str, clock: Clock) -> Material:
    """Return the test unit of `directory`; one is made where there is none, or its key may sign no more.

    Raises:
        OSError: the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    material = Material(directory / "root.pem", directory / "tsu.pem", directory / "tsu.key")
    if not _is_fit(material, kind, clock()):
        _make(material, kind, clock())
    return material


def _is_fit(material: Material, kind: str, now: datetime) -> bool:
    try:
        key = load_pem_private_key(material.key.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(material.certificates.read_bytes())
        root = x509.load_pem_x509_certificate(material.root.read_bytes())
        certificate.verify_directly_issued_by(root)
    except (OSError, ValueError, TypeError):
        return False
    if key.public_key() != certificate.public_key() or _kind_of(key) != kind:
        return False
    usage = certificate.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
    end = usage.not_after
    return end is not None and now.replace(tzinfo=None) + _LEAST_LEFT < end.replace(tzinfo=None)


def _kind_of(key: object) -> str | None:
    if isinstance(key, rsa.RSAPrivateKey):
        return f"rsa{key.key_size}"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"secp256r1": "p256", "secp384r1": "p384"}.get(key.curve.name)
    return None


def _make(material: Material, kind: str, now: datetime) -> None:
    root_key, unit_key = KEYS[kind](), KEYS[kind]()
    start = now.replace(microsecond=0) - timedelta(minutes=5)
    root_name = _name("TEST FTS demo timestamping root")
    root = _signed(
        root_name,
        root_name,
        root_key,
        root_key,
        (start, start + timedelta(days=_ROOT_DAYS)),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage(key_cert_sign=True, crl_sign=True), True),
    )
    unit = _signed(
        _name("TEST FTS demo timestamping unit 1"),
        root_name,
        unit_key,
        root_key,
        (start, start + timedelta(days=_UNIT_DAYS)),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
        (x509.PrivateKeyUsagePeriod(start, start + timedelta(days=_USAGE_DAYS)), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False),
    )
    material.key.unlink(missing_ok=True)
    material.key.touch(mode=0o600)
    material.key.write_bytes(unit_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    material.root.write_bytes(root.public_bytes(Encoding.PEM))
    material.certificates.write_bytes(unit.public_bytes(Encoding.PEM))


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "BE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _TEST_NAME),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    issuer_key: PrivateKey,
    validity: tuple[datetime, datetime],
    *extensions: tuple[x509.ExtensionType, bool],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_usage(**wanted: bool) -> x509.KeyUsage:
    names = (
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
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})
