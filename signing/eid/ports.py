"""What the rest of the gateway sees of a signature card: its certificates, signing a digest, its errors.

Nothing here knows PKCS#11; `signing.eid.pkcs11` is the implementation. Requirement FTS-SIG-3: the PIN is
asked for every signature and never leaves the machine that the card is in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

DigestName = Literal["sha256", "sha384", "sha512"]
"""A hash function of FIPS 180-4, by its name in `hashlib`."""

AttemptsLeft = Literal["unknown", "few", "last"]
"""What a token tells about its PIN counter: nothing, a wrong PIN since the last right one, one attempt left."""

PinPrompt = Callable[[str], str | None]
"""Asks the signer for the PIN.

Given a text that names token and certificate, returns the PIN, or None when the signer cancels. It is called
at most once per signature, off the event loop, in the thread of the card: it may wait for a person, but it
must not call the card. What it returns is never remembered.
"""


class CardError(Exception):
    """A card could not be read or did not sign. `code` is stable; no text carries a PIN."""

    code: ClassVar[str] = "CARD_ERROR"
    _remedy: ClassVar[str] = "Try again; if it persists, use another card or reader."

    @property
    def remedy(self) -> str:
        """What the signer can do about it, in one or two sentences."""
        return self._remedy


class ModuleUnavailableError(CardError):
    """The PKCS#11 module is missing, cannot be loaded or started, or is no PKCS#11 module."""

    code = "MODULE_UNAVAILABLE"
    _remedy = "Install the software of the card, or correct the path of its PKCS#11 module."


class CardAbsentError(CardError):
    """There is no card, or not the one that was asked for."""

    code = "CARD_ABSENT"
    _remedy = "Put the card in the reader and try again."


class CardRemovedError(CardError):
    """The card went away while it was in use; no signature was made."""

    code = "CARD_REMOVED"
    _remedy = "Put the same card back and leave it in the reader until the signature is there."


class PinIncorrectError(CardError):
    """The card refused the PIN; one attempt of its counter may be used up."""

    code = "PIN_INCORRECT"

    def __init__(self, message: str, *, attempts_left: AttemptsLeft) -> None:
        super().__init__(message)
        self.attempts_left = attempts_left

    @property
    def remedy(self) -> str:
        """Try again, with a warning where the card says that attempts run out."""
        match self.attempts_left:
            case "last":
                return "One attempt is left before the card blocks. Continue only if the PIN is certain."
            case "few":
                return "Try again with the right PIN; the card blocks after a few wrong ones."
            case "unknown":
                return "Try again with the right PIN."


class PinBlockedError(CardError):
    """The PIN is blocked after too many wrong attempts."""

    code = "PIN_BLOCKED"
    _remedy = "The issuer of the card can unblock the PIN: for an eID, the municipality, with the PUK code."


class PinCancelledError(CardError):
    """The signer did not give the PIN, or the caller gave up waiting for it; no signature was made."""

    code = "PIN_CANCELLED"
    _remedy = "Start the signature again and enter the PIN."


class CertificateNotFoundError(CardError):
    """The certificate is not on the card that is present."""

    code = "CERTIFICATE_NOT_FOUND"
    _remedy = "Put in the card that the certificate was read from, or choose a certificate of this card."


class KeyNotFoundError(CardError):
    """The card has no private key for the certificate, or one that must not sign."""

    code = "KEY_NOT_FOUND"
    _remedy = "Choose a certificate that can sign; not every card has a signature key."


class MechanismUnsupportedError(CardError):
    """The key or the card does not do the signature mechanism."""

    code = "MECHANISM_UNSUPPORTED"
    _remedy = "Choose another signature algorithm, or a card that supports this one."


class CardFailureError(CardError):
    """Anything else that went wrong on the card or in its module.

    `return_value` is the name of the PKCS#11 return value (CKR_...), None when the module reported success
    and its answer was wrong all the same.
    """

    code = "CARD_FAILURE"
    _remedy = "Take the card out, put it back and try again; if it persists, update the software of the card."

    def __init__(self, message: str, *, return_value: str | None) -> None:
        super().__init__(message)
        self.return_value = return_value


class KeyAlgorithm(StrEnum):
    """The kind of a certificate's key."""

    RSA = "RSA"
    EC = "EC"


class SignatureMechanism(StrEnum):
    """How a digest is signed: RSASSA-PKCS1-v1_5 and RSASSA-PSS of RFC 8017, ECDSA of FIPS 186-5."""

    RSA_PKCS1_V15 = "RSA_PKCS1_V15"
    RSA_PSS = "RSA_PSS"
    ECDSA = "ECDSA"


@dataclass(frozen=True)
class CardCertificate:
    """A certificate on a token, with what signing with it needs."""

    token_label: str
    label: str
    """CKA_LABEL of the certificate; empty where the token has none."""
    key_id: bytes
    """CKA_ID, which the certificate shares with its private key; of no meaning in itself."""
    der: bytes
    key_algorithm: KeyAlgorithm
    key_bits: int
    can_sign: bool
    """A private key with the same CKA_ID is there, or may be there and hidden until a login."""
    chain: tuple[bytes, ...]
    """The issuers' certificates found on the same token, DER, nearest first, each one's signature verified."""


class Card(Protocol):
    """A signature card, or several in the readers of one module."""

    async def certificates(self) -> list[CardCertificate]:
        """Return the X.509 certificates with an RSA or EC key, in the order of the token; no PIN is needed.

        Raises:
            ModuleUnavailableError, CardAbsentError, CardRemovedError, CardFailureError
        """

    async def sign_digest(
        self,
        certificate: CardCertificate,
        digest: bytes,
        digest_algorithm: DigestName,
        mechanism: SignatureMechanism,
        pin: PinPrompt,
    ) -> bytes:
        """Sign `digest`, which `digest_algorithm` made, with the key of `certificate`.

        Returns the signature value, verified with the certificate's key: for ECDSA a DER ECDSA-Sig-Value
        (RFC 3279, clause 2.2.3); for RSA_PKCS1_V15 over the DigestInfo (RFC 8017, clause 9.2); for RSA_PSS
        with MGF1 over the same hash and a salt of the hash's length. The digest's length, the certificate,
        the mechanism and a visible absence of the key are checked before `pin` is called. A token that asks
        for the PIN by itself (its own dialogue, a reader with keys) never calls `pin`. When the calling task
        is cancelled before the PIN is given, nothing is signed.

        Raises:
            ValueError: the digest has not the length of its algorithm.
            CardError: one of its subclasses.
        """

    async def close(self) -> None:
        """Let go of the card; the module ends with its last user. A later call starts it afresh."""
