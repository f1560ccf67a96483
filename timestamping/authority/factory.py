"""Making tokens from precomputed DER (RFC 3161, clause 2.4.2; RFC 5816; ETSI EN 319 422)."""

import secrets
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from timestamping import cms, der
from timestamping.algorithms import DigestAlgorithm
from timestamping.request import TimestampRequest, message_imprint

_ECDSA = {
    DigestAlgorithm.SHA256: "1.2.840.10045.4.3.2",
    DigestAlgorithm.SHA384: "1.2.840.10045.4.3.3",
    DigestAlgorithm.SHA512: "1.2.840.10045.4.3.4",
}
_RSA_PKCS1 = {
    DigestAlgorithm.SHA256: "1.2.840.113549.1.1.11",
    DigestAlgorithm.SHA384: "1.2.840.113549.1.1.12",
    DigestAlgorithm.SHA512: "1.2.840.113549.1.1.13",
}
_SERIAL_BITS = 159


class TsuKey(Protocol):
    """The private key of a timestamping unit, wherever it lives."""

    algorithm: bytes
    """DER of the AlgorithmIdentifier of its signatures."""

    def sign(self, data: bytes) -> bytes:
        """Hash with the unit's digest algorithm and sign; raises OSError when the key cannot be used."""


class SoftwareTsuKey:
    """A key in memory, for development and tests only: nothing guards it."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    ) -> None:
        self._key = key
        self._digest = digest
        if isinstance(key, rsa.RSAPrivateKey):
            self.algorithm = der.sequence(der.oid(_RSA_PKCS1[digest]), der.NULL)
        else:
            self.algorithm = der.sequence(der.oid(_ECDSA[digest]))

    def sign(self, data: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), self._digest.primitive)
        return self._key.sign(data, ec.ECDSA(self._digest.primitive))


class TokenFactory:
    """Makes the tokens of one timestamping unit; everything that does not change is encoded once."""

    def __init__(
        self,
        key: TsuKey,
        certificate: x509.Certificate,
        chain: tuple[x509.Certificate, ...],
        *,
        policy: str,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
        accuracy_seconds: int = 1,
    ) -> None:
        """Encode the fixed parts.

        Args:
            key: the unit's key.
            certificate: the unit's certificate.
            chain: issuers that a token carries beside it, nearest first; the root may be left out.
            policy: dotted identifier of the policy under which tokens are issued.
            digest: hash of the signed attributes and of the ESSCertIDv2.
            accuracy_seconds: declared accuracy (EN 319 422 wants it present; EN 319 421: 1 s or better).
        """
        self.certificate = certificate
        self.policy = policy
        self._key = key
        self._digest = digest
        encoded = certificate.public_bytes(Encoding.DER)
        issuer = certificate.issuer.public_bytes()
        serial = der.integer(certificate.serial_number)
        digest_identifier = der.sequence(der.oid(digest.oid))
        self._policy = der.oid(policy)
        self._accuracy = der.sequence(der.integer(accuracy_seconds))
        self._content_type = der.attribute(cms.OID_CONTENT_TYPE, der.oid(cms.OID_TST_INFO))
        self._signing_certificate = der.attribute(
            cms.OID_SIGNING_CERTIFICATE_V2, signing_certificate_v2(certificate, digest)
        )
        self._certificates = der.tlv(0xA0, *sorted([encoded, *(issuer.public_bytes(Encoding.DER) for issuer in chain)]))
        self._digest_algorithms = der.set_of(digest_identifier)
        self._signer_prefix = der.integer(1) + der.sequence(issuer, serial) + digest_identifier

    def token(self, request: TimestampRequest, algorithm: DigestAlgorithm, gen_time: datetime) -> bytes:
        """Issue a token, as ContentInfo, for a request that the authority has accepted.

        Raises:
            OSError: the key cannot be used.
        """
        info = der.sequence(
            der.integer(1),
            self._policy,
            message_imprint(algorithm, request.imprint),
            der.integer(secrets.randbits(_SERIAL_BITS) | 1),
            der.generalized_time(gen_time),
            self._accuracy,
            b"" if request.nonce is None else der.integer(request.nonce),
        )
        attributes = der.set_of(
            self._content_type,
            der.attribute(cms.OID_MESSAGE_DIGEST, der.octet_string(self._digest.digest(info))),
            self._signing_certificate,
        )
        signer = der.sequence(
            self._signer_prefix,
            b"\xa0" + attributes[1:],
            self._key.algorithm,
            der.octet_string(self._key.sign(attributes)),
        )
        signed_data = der.sequence(
            der.integer(3),
            self._digest_algorithms,
            der.sequence(der.oid(cms.OID_TST_INFO), der.explicit(0, der.octet_string(info))),
            self._certificates if request.cert_req else b"",
            der.tlv(0x31, signer),
        )
        return der.sequence(der.oid(cms.OID_SIGNED_DATA), der.explicit(0, signed_data))


def signing_certificate_v2(certificate: x509.Certificate, digest: DigestAlgorithm) -> bytes:
    """Encode SigningCertificateV2 with one ESSCertIDv2 and its issuerSerial (RFC 5035, clause 3).

    SHA-256 is the default and therefore absent in DER.
    """
    algorithm = b"" if digest is DigestAlgorithm.SHA256 else der.sequence(der.oid(digest.oid))
    return der.sequence(
        der.sequence(
            der.sequence(
                algorithm,
                der.octet_string(digest.digest(certificate.public_bytes(Encoding.DER))),
                der.sequence(
                    der.sequence(der.explicit(4, certificate.issuer.public_bytes())),
                    der.integer(certificate.serial_number),
                ),
            )
        )
    )
