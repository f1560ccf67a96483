"""The CMS of a PAdES signature, written as DER (ETSI EN 319 142-1, 6.2 and 6.3; EN 319 122-1; RFC 5652)."""

from collections.abc import Iterable

from asn1crypto import algos
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from signing.ports import CertificateUsageError, Profile
from timestamping import cms, der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import signing_certificate_v2

_ECDSA = {"sha256": "1.2.840.10045.4.3.2", "sha384": "1.2.840.10045.4.3.3", "sha512": "1.2.840.10045.4.3.4"}
_RSA_PKCS1 = {
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
_RSA_PSS = "1.2.840.113549.1.1.10"
_MGF1 = "1.2.840.113549.1.1.8"


def signature_algorithm(certificate: x509.Certificate, profile: Profile) -> bytes:
    """Encode the AlgorithmIdentifier of the signature (RFC 5754, RFC 4056).

    Raises:
        CertificateUsageError: the key is neither RSA nor elliptic.
    """
    key = certificate.public_key()
    name = profile.digest.value
    if isinstance(key, ec.EllipticCurvePublicKey):
        return der.sequence(der.oid(_ECDSA[name]))
    if not isinstance(key, rsa.RSAPublicKey):
        subject = certificate.subject.rfc4514_string()
        raise CertificateUsageError(f"{subject} has a key that is neither RSA nor elliptic", party=subject)
    if not profile.rsa_pss:
        return der.sequence(der.oid(_RSA_PKCS1[name]), der.NULL)
    digest = der.sequence(der.oid(profile.digest.oid), der.NULL)
    parameters = der.sequence(
        der.explicit(0, digest),
        der.explicit(1, der.sequence(der.oid(_MGF1), digest)),
        der.explicit(2, der.integer(profile.digest.size)),
    )
    return der.sequence(der.oid(_RSA_PSS), parameters)


def signed_attributes(certificate: x509.Certificate, digest: DigestAlgorithm, document_digest: bytes) -> bytes:
    """Encode the attributes to be signed, as SET OF: content type, message digest, signing-certificate-v2.

    There is no signing-time: PAdES has it in /M (EN 319 142-1, 6.3).
    """
    return der.set_of(
        der.attribute(cms.OID_CONTENT_TYPE, der.oid(cms.OID_DATA)),
        der.attribute(cms.OID_MESSAGE_DIGEST, der.octet_string(document_digest)),
        der.attribute(cms.OID_SIGNING_CERTIFICATE_V2, signing_certificate_v2(certificate, digest)),
    )


def build(
    certificate: x509.Certificate,
    chain: Iterable[x509.Certificate],
    digest: DigestAlgorithm,
    algorithm: bytes,
    attributes: bytes,
    signature: bytes,
    timestamp: bytes | None,
) -> bytes:
    """Encode the ContentInfo with its one SignerInfo.

    Args:
        certificate: the signer's certificate.
        chain: issuers to embed beside it.
        digest: digest algorithm of document and attributes.
        algorithm: DER of the signature's AlgorithmIdentifier.
        attributes: the signed attributes as SET OF.
        signature: the signature value.
        timestamp: token for the unsigned attribute signature-time-stamp, or None at level B.
    """
    digest_identifier = der.sequence(der.oid(digest.oid))
    issuer_and_serial = der.sequence(certificate.issuer.public_bytes(), der.integer(certificate.serial_number))
    unsigned = b"" if timestamp is None else der.tlv(0xA1, der.attribute(cms.OID_SIGNATURE_TIMESTAMP, timestamp))
    signer = der.sequence(
        der.integer(1),
        issuer_and_serial,
        digest_identifier,
        b"\xa0" + attributes[1:],
        algorithm,
        der.octet_string(signature),
        unsigned,
    )
    signed_data = der.sequence(
        der.integer(1),
        der.tlv(0x31, digest_identifier),
        der.sequence(der.oid(cms.OID_DATA)),
        der.tlv(0xA0, *sorted(cms.encoded(c) for c in (certificate, *chain))),
        der.tlv(0x31, signer),
    )
    return der.sequence(der.oid(cms.OID_SIGNED_DATA), der.explicit(0, signed_data))


def parsed_algorithm(algorithm: bytes) -> algos.SignedDigestAlgorithm:
    """Return the AlgorithmIdentifier as `timestamping.cms.check_signature_value` takes it."""
    return algos.SignedDigestAlgorithm.load(algorithm)
