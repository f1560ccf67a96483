"""Signature values and certificates as they come from a browser, judged without the document."""

from asn1crypto.algos import SignedDigestAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from signing.ports import CertificateError, SignatureValueError
from timestamping.algorithms import DigestAlgorithm
from timestamping.cms import CmsError, check_signature_value, load_certificate

_INTEGER = 0x02
_SEQUENCE = 0x30
_LONG_FORM = 0x81


def check_readable(certificate: bytes) -> None:
    """Check that a certificate in DER can be read.

    Raises:
        CertificateError: it cannot.
    """
    try:
        load_certificate(certificate)
    except ValueError as error:
        raise CertificateError(f"a certificate cannot be read: {error}") from error


def checked_value(
    certificate: bytes, algorithm: bytes, digest_algorithm: DigestAlgorithm, digest: bytes, value: bytes
) -> bytes:
    """Return a signature value in the form that goes into a CMS, after its verification over the digest.

    For elliptic keys r and s are taken as they come: ECDSA-Sig-Value (RFC 3279, clause 2.2.3), also with superfluous
    zero octets as BeIDConnect writes it, or one after the other in equal length as Web eID does.

    Args:
        certificate: the signer's, DER.
        algorithm: the signature's AlgorithmIdentifier, DER.
        digest_algorithm: what made `digest`.
        digest: what was signed.
        value: the signature value.

    Raises:
        SignatureValueError: the value is no signature of the certificate's key over the digest.
    """
    signer = load_certificate(certificate)
    key = signer.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            value = encode_dss_signature(*_r_and_s(value, (key.key_size + 7) // 8))
        check_signature_value(signer, SignedDigestAlgorithm.load(algorithm), digest_algorithm, value, digest)
    except (CmsError, ValueError) as error:
        raise SignatureValueError(
            f"the signature value does not fit: {error}", party=signer.subject.rfc4514_string()
        ) from error
    return value


def _r_and_s(value: bytes, size: int) -> tuple[int, int]:
    if len(value) == 2 * size and not _is_sequence(value):
        return int.from_bytes(value[:size]), int.from_bytes(value[size:])
    if not _is_sequence(value):
        raise ValueError("it is neither an ECDSA-Sig-Value nor r and s in equal length")
    body = value[3:] if value[1] == _LONG_FORM else value[2:]
    r, rest = _integer(body)
    s, rest = _integer(rest)
    if rest:
        raise ValueError("octets follow r and s")
    return r, s


def _is_sequence(value: bytes) -> bool:
    if len(value) < 8 or value[0] != _SEQUENCE:
        return False
    head, length = (3, value[2]) if value[1] == _LONG_FORM else (2, value[1])
    return len(value) == head + length


def _integer(octets: bytes) -> tuple[int, bytes]:
    if len(octets) < 3 or octets[0] != _INTEGER or octets[1] > 0x7F or len(octets) < 2 + octets[1]:
        raise ValueError("r or s is no INTEGER")
    end = 2 + octets[1]
    return int.from_bytes(octets[2:end], signed=True), octets[end:]
