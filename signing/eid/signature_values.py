"""From a digest to what a key signs, and from what a token answers to a verified signature value."""

from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from signing.eid.ports import (
    CardFailureError,
    DigestName,
    KeyAlgorithm,
    MechanismUnsupportedError,
    SignatureMechanism,
)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_HASHES: Final[dict[DigestName, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}

_DIGEST_INFO_PREFIXES: Final[dict[DigestName, bytes]] = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""DER of DigestInfo up to the digest itself (RFC 8017, clause 9.2, note 1)."""


def check_request(digest: bytes, algorithm: DigestName, mechanism: SignatureMechanism, key: KeyAlgorithm) -> None:
    """Check, before any PIN, that the digest is one of `algorithm` and that the key does the mechanism.

    Raises:
        ValueError: the digest algorithm is unknown or the digest has another length.
        MechanismUnsupportedError: an ECDSA signature of an RSA key or the reverse.
    """
    if algorithm not in _HASHES:
        raise ValueError(f"{algorithm} is not a digest algorithm for signatures")
    expected = _HASHES[algorithm].digest_size
    if len(digest) != expected:
        raise ValueError(f"a digest of {algorithm} has {expected} bytes, not {len(digest)}")
    if (mechanism is SignatureMechanism.ECDSA) is not (key is KeyAlgorithm.EC):
        raise MechanismUnsupportedError(f"a key of type {key} does not sign by {mechanism}")


def data_to_sign(digest: bytes, algorithm: DigestName, mechanism: SignatureMechanism, key: PublicKey) -> bytes:
    """Return what the token is given to sign.

    For ECDSA the digest is cut to the length of the curve's order, as FIPS 186-5, clause 6.4.1 has it done:
    some tokens refuse a longer one.
    """
    match mechanism:
        case SignatureMechanism.RSA_PKCS1_V15:
            return _DIGEST_INFO_PREFIXES[algorithm] + digest
        case SignatureMechanism.RSA_PSS:
            return digest
        case SignatureMechanism.ECDSA:
            return digest[: _order_size(key)]


def verified_value(
    raw: bytes, digest: bytes, algorithm: DigestName, mechanism: SignatureMechanism, key: PublicKey
) -> bytes:
    """Return the signature value of the token's answer `raw`, after its verification with `key`.

    Raises:
        CardFailureError: the answer is malformed or no signature over `digest` by this key.
    """
    hash_algorithm = _HASHES[algorithm]()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            value = _ecdsa_sig_value(raw, _order_size(key))
            key.verify(value, digest, ec.ECDSA(Prehashed(hash_algorithm)))
            return value
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if mechanism is SignatureMechanism.RSA_PSS:
            scheme = padding.PSS(padding.MGF1(hash_algorithm), hash_algorithm.digest_size)
        key.verify(raw, digest, scheme, Prehashed(hash_algorithm))
    except (InvalidSignature, ValueError):
        raise CardFailureError("the card's signature does not verify with its certificate", return_value=None) from None
    return raw


@lru_cache(maxsize=256)
def public_key(certificate: bytes) -> PublicKey:
    """Return the key of a DER certificate.

    Raises:
        ValueError: the certificate cannot be read or its key is neither RSA nor EC.
    """
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except Exception as error:
        raise ValueError(f"the certificate's key cannot be read: {error}") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("the certificate's key is neither RSA nor EC")  # noqa: TRY004
    return key


def _order_size(key: PublicKey) -> int:
    return (key.key_size + 7) // 8


def _ecdsa_sig_value(raw: bytes, size: int) -> bytes:
    if len(raw) != 2 * size:
        raise ValueError("r and s do not have the length of the curve's order")
    return encode_dss_signature(int.from_bytes(raw[:size]), int.from_bytes(raw[size:]))
