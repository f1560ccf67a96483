"""What a certificate must be like to sign with it, in every format."""

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from signing.ports import CertificateUsageError
from signing.trust.path import Path
from timestamping.path import key_usage

_MIN_RSA_BITS = 2048
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


def check_usage(path: Path) -> None:
    """Check that a signer's certificate is for signatures and has a key that may be used.

    Raises:
        CertificateUsageError: contentCommitment is missing, or the key is too weak.
    """
    leaf = path.leaf
    subject = leaf.subject.rfc4514_string()
    usage = key_usage(leaf)
    if usage is None or not usage.content_commitment:
        raise CertificateUsageError(f"{subject} is not for signatures (no contentCommitment)", party=subject)
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        raise CertificateUsageError(f"{subject} has an RSA key of only {key.key_size} bits", party=subject)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in _CURVES:
        raise CertificateUsageError(f"{subject} has a key on the curve {key.curve.name}", party=subject)
