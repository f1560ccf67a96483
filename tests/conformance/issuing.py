"""Certificates, OCSP responses and CRLs of the demo PKI's authorities that the PKI itself would not issue."""

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.demo_pki.pki import Entity
from tests.conformance.evidence import Store
from timestamping.clock import utc_now


def self_signed(name: x509.Name) -> x509.Certificate:
    """A certificate of a name and a new key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = utc_now()
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


def certificate_like(certificate: x509.Certificate, issuer: Entity) -> x509.Certificate:
    """Another issuer's certificate with the same subject, key and serial number."""
    builder = x509.CertificateBuilder(
        issuer_name=issuer.certificate.subject,
        subject_name=certificate.subject,
        public_key=certificate.public_key(),
        serial_number=certificate.serial_number,
        not_valid_before=certificate.not_valid_before_utc,
        not_valid_after=certificate.not_valid_after_utc,
    )
    return builder.sign(issuer.key, hashes.SHA256())


def good_answer(responder: Entity, certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """An OCSP response of now: good. Its CertID has the name in the certificate and the key of `issuer`."""
    assert isinstance(responder.key, ec.EllipticCurvePrivateKey)
    now = utc_now().replace(microsecond=0)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=certificate,
        issuer=issuer,
        algorithm=hashes.SHA1(),  # noqa: S303 - it only names the issuer
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=now,
        next_update=now + timedelta(minutes=10),
        revocation_time=None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    response = builder.certificates([responder.certificate]).sign(responder.key, hashes.SHA256())
    return response.public_bytes(Encoding.DER)


def checked_responder(issuer: Entity, crl_url: str) -> Entity:
    """A delegated responder whose certificate points to the CRL instead of saying that it needs no check."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TEST OCSP Responder to be checked")])
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
    certificate = (
        x509.CertificateBuilder(
            issuer_name=issuer.certificate.subject,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=issuer.certificate.not_valid_before_utc,
            not_valid_after=issuer.certificate.not_valid_after_utc,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        .add_extension(x509.CRLDistributionPoints([point]), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    return Entity("checked-responder", key, certificate, (issuer.certificate, *issuer.chain))


def extended_crl(der: bytes, issuer: Entity, extension: x509.ExtensionType, critical: bool) -> bytes:
    """A CRL of the same times and entries with one more extension."""
    crl = x509.load_der_x509_crl(der)
    assert crl.next_update_utc is not None
    builder = x509.CertificateRevocationListBuilder(crl.issuer, crl.last_update_utc, crl.next_update_utc)
    for entry in crl:
        builder = builder.add_revoked_certificate(entry)
    for each in crl.extensions:
        builder = builder.add_extension(each.value, each.critical)
    return builder.add_extension(extension, critical).sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


class StoreFiles:
    """A store's content as files that OpenSSL takes."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._directory = directory
        self.certificates = self._write("certificates.pem", *(c.public_bytes(Encoding.PEM) for c in store.loaded()))
        crls = (x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in store.crls)
        self.crls = self._write("crls.pem", *crls)
        self.ocsps = [self._write(f"{number}.ors", der) for number, der in enumerate(store.ocsps)]

    def certificate(self, certificate: x509.Certificate) -> Path:
        return self._write(f"{certificate.serial_number:x}.pem", certificate.public_bytes(Encoding.PEM))

    def _write(self, name: str, *parts: bytes) -> Path:
        path = self._directory / name
        path.write_bytes(b"".join(parts))
        return path
