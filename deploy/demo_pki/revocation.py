"""Revocation information of the demo PKI: OCSP responses (RFC 6960) and CRLs (RFC 5280, clause 5).

OCSP responses are assembled from encoded fragments: `cryptography`'s builder stamps `producedAt` with the system's
time, and here the injected clock must decide it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseBuilder, OCSPResponseStatus

from deploy.demo_pki.certificates import Entity, Issuer
from timestamping import der

OCSP_LIFETIME = timedelta(minutes=10)
CRL_STEP = timedelta(hours=1)
CRL_LIFETIME = timedelta(hours=24)

MAX_NONCE_BYTES = 128
"""Longest nonce accepted (RFC 9654, clause 2.1)."""

_CRL_REASON_CODES = {
    x509.ReasonFlags.key_compromise: 1,
    x509.ReasonFlags.ca_compromise: 2,
    x509.ReasonFlags.affiliation_changed: 3,
    x509.ReasonFlags.superseded: 4,
    x509.ReasonFlags.cessation_of_operation: 5,
    x509.ReasonFlags.certificate_hold: 6,
    x509.ReasonFlags.privilege_withdrawn: 9,
    x509.ReasonFlags.aa_compromise: 10,
}
"""CRLReason (RFC 5280, clause 5.3.1); `unspecified` is left out of responses and CRLs, as that clause asks."""

_CERT_ID_HASHES = {
    hashes.SHA1.name: (hashes.SHA1, "1.3.14.3.2.26"),
    hashes.SHA256.name: (hashes.SHA256, "2.16.840.1.101.3.4.2.1"),
}
_ECDSA_WITH_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
_OCSP_BASIC = der.oid("1.3.6.1.5.5.7.48.1.1")
_OCSP_NONCE = der.oid("1.3.6.1.5.5.7.48.1.2")
_SUCCESSFUL = der.tlv(0x0A, b"\x00")
_GOOD = der.tlv(0x80)
_UNKNOWN = der.tlv(0x82)


@dataclass(frozen=True, slots=True)
class Revocation:
    """The end of a certificate before its time."""

    issuer: Issuer
    serial_number: int
    at: datetime
    reason: x509.ReasonFlags


CertificateStatus = Revocation | Literal[OCSPCertStatus.GOOD, OCSPCertStatus.UNKNOWN]
StatusSource = Callable[[int, datetime], CertificateStatus]
"""Tells the status that a serial number has at a moment."""


class OcspResponder:
    """Answers for one issuer over one EC key, identified by key hash."""

    def __init__(self, issuer: x509.Certificate, signer: Entity, status_of: StatusSource) -> None:
        """Answer about certificates of `issuer` under the signature of `signer`, authorised or not.

        Raises:
            TypeError: the signer's key is not an EC key.
        """
        if not isinstance(signer.key, ec.EllipticCurvePrivateKey):
            raise TypeError("The OCSP responder signs with ECDSA; give it an EC key.")
        self._key = signer.key
        self._status_of = status_of
        self._cert_id_prefixes = {
            name: _issuer_fragment(issuer, algorithm(), oid) for name, (algorithm, oid) in _CERT_ID_HASHES.items()
        }
        key_hash = _digest(hashes.SHA1(), _public_key_bits(signer.certificate))  # noqa: S303 - RFC 6960
        self._responder_id = der.explicit(2, der.octet_string(key_hash))
        self._certificates = der.explicit(0, der.sequence(signer.certificate.public_bytes(Encoding.DER)))

    def respond(self, request: bytes, moment: datetime) -> bytes:
        """Return the OCSPResponse to a DER-encoded request, as of `moment` in whole seconds.

        A request that is no DER, asks about several certificates or bears a nonce outside RFC 9654's bounds is
        answered `malformedRequest`; one about another issuer's certificates, or with a CertID hash other than
        SHA-1 and SHA-256, `unauthorized`.
        """
        try:
            asked = ocsp.load_der_ocsp_request(request)
            nonce = _nonce(asked)
            algorithm = asked.hash_algorithm.name
        except UnsupportedAlgorithm:
            return _refusal(OCSPResponseStatus.UNAUTHORIZED)
        except (ValueError, NotImplementedError, x509.DuplicateExtension):
            return _refusal(OCSPResponseStatus.MALFORMED_REQUEST)
        issuer = der.octet_string(asked.issuer_name_hash) + der.octet_string(asked.issuer_key_hash)
        prefix = self._cert_id_prefixes.get(algorithm)
        if prefix is None or not prefix.endswith(issuer):
            return _refusal(OCSPResponseStatus.UNAUTHORIZED)

        this_update = der.generalized_time(moment)
        single = der.sequence(
            der.sequence(prefix, der.integer(asked.serial_number)),
            _encode_status(self._status_of(asked.serial_number, moment)),
            this_update,
            der.explicit(0, der.generalized_time(moment + OCSP_LIFETIME)),
        )
        extensions = b"" if nonce is None else der.explicit(1, der.sequence(_nonce_extension(nonce)))
        response_data = der.sequence(self._responder_id, this_update, der.sequence(single), extensions)
        signature = self._key.sign(response_data, ec.ECDSA(hashes.SHA256()))
        basic = der.sequence(response_data, _ECDSA_WITH_SHA256, der.tlv(0x03, b"\x00", signature), self._certificates)
        response_bytes = der.sequence(_OCSP_BASIC, der.octet_string(basic))
        return der.sequence(_SUCCESSFUL, der.explicit(0, response_bytes))


def crl_issued_at(moment: datetime) -> datetime:
    """Return the thisUpdate of the CRL that is current at `moment`: the last full step."""
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(CRL_STEP.total_seconds()), UTC)


def build_crl(issuer: Entity, revocations: Collection[Revocation], this_update: datetime) -> bytes:
    """Return the DER of a complete CRL.

    Its number, the seconds of `this_update` since 1970 plus the entries, grows with time and with each revocation,
    so that two lists of one step never share it (RFC 5280, clause 5.2.3).
    """
    number = int(this_update.timestamp()) + len(revocations)
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder(
            issuer_name=issuer.certificate.subject,
            last_update=this_update,
            next_update=this_update + CRL_LIFETIME,
        )
        .add_extension(authority_key, critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for revocation in revocations:
        entry = x509.RevokedCertificateBuilder(revocation.serial_number, revocation.at)
        if revocation.reason in _CRL_REASON_CODES:
            entry = entry.add_extension(x509.CRLReason(revocation.reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _issuer_fragment(issuer: x509.Certificate, algorithm: hashes.HashAlgorithm, oid: str) -> bytes:
    return b"".join(
        (
            der.sequence(der.oid(oid), der.NULL),
            der.octet_string(_digest(algorithm, issuer.subject.public_bytes())),
            der.octet_string(_digest(algorithm, _public_key_bits(issuer))),
        )
    )


def _public_key_bits(certificate: x509.Certificate) -> bytes:
    """Return the content of the subjectPublicKey BIT STRING of an EC certificate."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("The authorities and responders of the demo PKI have EC keys.")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _nonce(request: ocsp.OCSPRequest) -> bytes | None:
    for extension in request.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            nonce = extension.value.nonce
            if not 1 <= len(nonce) <= MAX_NONCE_BYTES:
                raise ValueError(f"The nonce has {len(nonce)} bytes; 1 to {MAX_NONCE_BYTES} are allowed.")
            return nonce
    return None


def _nonce_extension(nonce: bytes) -> bytes:
    return der.sequence(_OCSP_NONCE, der.octet_string(der.octet_string(nonce)))


def _encode_status(status: CertificateStatus) -> bytes:
    if status is OCSPCertStatus.GOOD:
        return _GOOD
    if status is OCSPCertStatus.UNKNOWN:
        return _UNKNOWN
    reason = _CRL_REASON_CODES.get(status.reason)
    encoded_reason = b"" if reason is None else der.explicit(0, der.tlv(0x0A, bytes((reason,))))
    return der.tlv(0xA1, der.generalized_time(status.at), encoded_reason)


def _refusal(status: OCSPResponseStatus) -> bytes:
    return OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
