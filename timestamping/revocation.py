"""Judging OCSP responses (RFC 6960) and CRLs (RFC 5280, clause 6.3) without any network."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from timestamping.path import UNREADABLE, is_issued_by, key_usage

_CRITICAL_IN_CRL = {x509.IssuingDistributionPoint.oid}
_EXPIRED_CERTS_ON_CRL = x509.ObjectIdentifier("2.5.29.60")
_ARCHIVE_CUTOFF = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.6")


class EvidenceError(ValueError):
    """The octets are no evidence about the certificate; the message says why."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an authority says about one certificate."""

    der: bytes
    is_ocsp: bool
    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None
    """Time of revocation, None where the certificate is good."""
    signer: x509.Certificate
    """Who signed it: the issuer itself or its delegated OCSP responder."""
    reason: x509.ReasonFlags | None = None
    """Why it was revoked; None where that is not said, which is not the same as "unspecified" (RFC 3161, clause 4)."""
    invalid_at: datetime | None = None
    """When the key is suspected to have been compromised, where a CRL says so (RFC 5280, clause 5.3.2)."""
    expired_since: datetime | None = None
    """Certificates that expired at this time or later are still told of: expiredCertsOnCRL (X.509, clause 9.5.2.8),
    archive cutoff (RFC 6960, clause 4.4.4); None where what is said of an expired certificate means nothing."""


@lru_cache(maxsize=512)
def load_ocsp(der: bytes) -> ocsp.OCSPResponse:
    """Parse an OCSPResponse; parsed ones are kept."""
    return ocsp.load_der_ocsp_response(der)


@lru_cache(maxsize=64)
def load_crl(der: bytes) -> x509.CertificateRevocationList:
    """Parse a CRL; parsed ones are kept."""
    return x509.load_der_x509_crl(der)


def from_ocsp(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> Evidence:
    """Read an OCSP response about a certificate.

    Raises:
        EvidenceError: it is about another certificate, not signed by who may, says unknown, or is malformed.
    """
    try:
        response = load_ocsp(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise EvidenceError(f"the responder answered {response.response_status.name.lower()}")
        single = next((s for s in response.responses if _is_about(s, certificate, issuer)), None)
        if single is None:
            raise EvidenceError("the response is about another certificate")
        signer = _responder(response, issuer)
        if signer is None:
            raise EvidenceError("the response is not signed by the issuer or a responder that it authorised")
        if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
            raise UnknownCertificateError("the responder does not know the certificate")
        return Evidence(
            der=der,
            is_ocsp=True,
            this_update=single.this_update_utc,
            next_update=single.next_update_utc,
            revoked_at=single.revocation_time_utc,
            signer=signer,
            reason=single.revocation_reason,
            expired_since=_archive_cutoff(response),
        )
    except EvidenceError:
        raise
    except (*UNREADABLE, UnsupportedAlgorithm) as error:
        raise EvidenceError(f"malformed OCSP response: {error}") from error


class UnknownCertificateError(EvidenceError):
    """The responder says that it does not know the certificate."""


def from_crl(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> Evidence:
    """Read what a CRL of the certificate's issuer says about it.

    Raises:
        EvidenceError: it is of another issuer, wrongly signed, of another scope, partial, or malformed.
    """
    try:
        crl = load_crl(der)
        if not _is_complete_crl_of(der, issuer):
            raise EvidenceError("the CRL is not a complete one that the certificate's issuer signed")
        _check_scope(crl, certificate)
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        return Evidence(
            der=der,
            is_ocsp=False,
            this_update=crl.last_update_utc,
            next_update=crl.next_update_utc,
            revoked_at=None if entry is None else entry.revocation_date_utc,
            signer=issuer,
            reason=None if entry is None else _reason(entry),
            invalid_at=None if entry is None else _invalid_at(entry),
            expired_since=_moment_in(crl.extensions, _EXPIRED_CERTS_ON_CRL),
        )
    except EvidenceError:
        raise
    except (*UNREADABLE, UnsupportedAlgorithm) as error:
        raise EvidenceError(f"malformed CRL: {error}") from error


def needs_no_revocation(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate carries id-pkix-ocsp-nocheck (RFC 6960, clause 4.2.2.2.1)."""
    try:
        certificate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    except x509.ExtensionNotFound:
        return False
    return True


def _is_about(single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if single.serial_number != certificate.serial_number:
        return False
    names, keys = _issuer_hashes(issuer, single.hash_algorithm.name)
    return single.issuer_name_hash == names and single.issuer_key_hash == keys


@lru_cache(maxsize=256)
def _issuer_hashes(issuer: x509.Certificate, algorithm: str) -> tuple[bytes, bytes]:
    name = hashlib.new(algorithm, issuer.subject.public_bytes()).digest()
    if algorithm == "sha1":
        return name, x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    return name, hashlib.new(algorithm, _key_bits(issuer)).digest()


def _key_bits(certificate: x509.Certificate) -> bytes:
    from asn1crypto import keys  # noqa: PLC0415  only CertIDs with another hash than SHA-1 need it
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    der = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return bytes(keys.PublicKeyInfo.load(der)["public_key"].contents[1:])


def _responder(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate | None:
    candidates = [issuer, *(c for c in response.certificates if _is_delegated(c, issuer))]
    for candidate in candidates:
        if _names_responder(response, candidate) and _signed(response, candidate):
            return candidate
    return None


@lru_cache(maxsize=256)
def _is_delegated(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage and is_issued_by(certificate, issuer)


def _names_responder(response: ocsp.OCSPResponse, candidate: x509.Certificate) -> bool:
    if response.responder_name is not None:
        return response.responder_name == candidate.subject
    return response.responder_key_hash == _issuer_hashes(candidate, "sha1")[1]


def _signed(response: ocsp.OCSPResponse, candidate: x509.Certificate) -> bool:
    key = candidate.public_key()
    algorithm = response.signature_hash_algorithm
    if algorithm is None or not candidate.not_valid_before_utc <= response.produced_at_utc:
        return False
    if response.produced_at_utc > candidate.not_valid_after_utc:
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        else:
            return False
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=64)
def _is_complete_crl_of(der: bytes, issuer: x509.Certificate) -> bool:
    crl = load_crl(der)
    usage = key_usage(issuer)
    if crl.issuer != issuer.subject or (usage is not None and not usage.crl_sign):
        return False
    if any(e.critical and e.oid not in _CRITICAL_IN_CRL for e in crl.extensions):
        return False
    key = issuer.public_key()
    return isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)) and crl.is_signature_valid(key)


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return None


def _invalid_at(entry: x509.RevokedCertificate) -> datetime | None:
    try:
        return entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    except x509.ExtensionNotFound:
        return None


def _archive_cutoff(response: ocsp.OCSPResponse) -> datetime | None:
    """Return the cutoff of a response about one certificate; of several, nobody reads whose it is."""
    if len(list(response.responses)) != 1:
        return None
    return _moment_in(response.single_extensions, _ARCHIVE_CUTOFF)


def _moment_in(extensions: x509.Extensions, oid: x509.ObjectIdentifier) -> datetime | None:
    for extension in extensions:
        if extension.oid == oid and isinstance(extension.value, x509.UnrecognizedExtension):
            return _generalized_time(extension.value.value)
    return None


def _generalized_time(encoding: bytes) -> datetime:
    from asn1crypto import core  # noqa: PLC0415  few authorities have the extension

    moment = core.GeneralizedTime.load(encoding, strict=True).native
    if not isinstance(moment, datetime):
        raise EvidenceError("a date cannot be read")
    return moment


def _check_scope(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> None:
    try:
        scope = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if (
        scope.indirect_crl
        or scope.only_contains_attribute_certs
        or scope.only_some_reasons
        or (scope.only_contains_ca_certs and not is_ca)
        or (scope.only_contains_user_certs and is_ca)
    ):
        raise EvidenceError("the CRL does not cover the certificate")
