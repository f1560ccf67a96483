"""A card whose keys are in memory: for a demo where no PKCS#11 token can be had. It protects nothing."""

import asyncio
import hmac
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from signing.eid.ports import (
    CardCertificate,
    CertificateNotFoundError,
    DigestName,
    KeyAlgorithm,
    MechanismUnsupportedError,
    PinCancelledError,
    PinIncorrectError,
    PinPrompt,
    SignatureMechanism,
)
from signing.eid.signature_values import check_request

SoftwareKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_LOG: Final = logging.getLogger("fts.card")
_HASHES: Final[dict[DigestName, HashAlgorithm]] = {"sha256": SHA256(), "sha384": SHA384(), "sha512": SHA512()}


@dataclass(frozen=True, slots=True)
class SoftwareEntry:
    """A key with its certificate and issuers, in DER."""

    label: str
    key: SoftwareKey
    certificate: bytes
    chain: tuple[bytes, ...]


class SoftwareCard:
    """A `Card` over keys in memory."""

    def __init__(self, label: str, pin: str, entries: Sequence[SoftwareEntry]) -> None:
        _LOG.warning("the keys of this card are in memory: it protects nothing and is for the demo only")
        self._pin = pin
        self._entries = {entry.certificate: entry for entry in entries}
        self._listed = [_listed(label, entry) for entry in entries]

    async def certificates(self) -> list[CardCertificate]:
        """See `Card.certificates`."""
        return list(self._listed)

    async def sign_digest(
        self,
        certificate: CardCertificate,
        digest: bytes,
        digest_algorithm: DigestName,
        mechanism: SignatureMechanism,
        pin: PinPrompt,
    ) -> bytes:
        """See `Card.sign_digest`; RSA_PSS is not offered."""
        check_request(digest, digest_algorithm, mechanism, certificate.key_algorithm)
        entry = self._entries.get(certificate.der)
        if entry is None:
            raise CertificateNotFoundError("the certificate is not on this card")
        if mechanism is SignatureMechanism.RSA_PSS:
            raise MechanismUnsupportedError("the software card does not sign by RSA_PSS")
        given = await asyncio.to_thread(pin, certificate.token_label)
        if given is None:
            raise PinCancelledError("no PIN was given")
        if not hmac.compare_digest(given.encode(), self._pin.encode()):
            raise PinIncorrectError("the PIN is wrong", attempts_left="unknown")
        prehashed = Prehashed(_HASHES[digest_algorithm])
        if isinstance(entry.key, ec.EllipticCurvePrivateKey):
            return entry.key.sign(digest, ec.ECDSA(prehashed))
        return entry.key.sign(digest, padding.PKCS1v15(), prehashed)

    async def close(self) -> None:
        """See `Card.close`."""


def _listed(token: str, entry: SoftwareEntry) -> CardCertificate:
    elliptic = isinstance(entry.key, ec.EllipticCurvePrivateKey)
    return CardCertificate(
        token_label=token,
        label=entry.label,
        key_id=entry.label.encode(),
        der=entry.certificate,
        key_algorithm=KeyAlgorithm.EC if elliptic else KeyAlgorithm.RSA,
        key_bits=entry.key.key_size,
        can_sign=True,
        chain=entry.chain,
    )
