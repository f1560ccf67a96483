"""What callers of the signing engine see: profiles, results and the errors that it raises."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from timestamping.algorithms import DigestAlgorithm


class Level(StrEnum):
    """Baseline level of a signature (ETSI EN 319 142-1, clause 6)."""

    B = "B"
    T = "T"
    LT = "LT"
    LTA = "LTA"

    @property
    def rank(self) -> int:
        """Position in the order B < T < LT < LTA."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class Profile:
    """What signature is asked for."""

    level: Level
    digest: DigestAlgorithm = DigestAlgorithm.SHA256
    archive_digest: DigestAlgorithm = DigestAlgorithm.SHA256
    """Imprint algorithm of the archive timestamp."""
    rsa_pss: bool = False
    """RSASSA-PSS instead of PKCS#1 v1.5 where the key is RSA."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What was made."""

    level: Level
    size: int
    """Octets of the signed document, of the signature file, or of the container."""
    signed_at: datetime | None
    """Time of the signature timestamp."""
    archived_at: datetime | None
    """Time of the archive timestamp."""


class SigningError(Exception):
    """The signature cannot be made. `code` is stable, `party` names who failed where somebody did."""

    code: ClassVar[str] = "SIGNING_ERROR"
    remedy: ClassVar[str] = "Try again; if it persists, report the message."

    def __init__(self, message: str, *, party: str | None = None) -> None:
        super().__init__(message)
        self.party = party


class DocumentError(SigningError):
    """The document cannot or must not be signed."""

    code = "DOCUMENT_ERROR"


class NotAPdfError(DocumentError):
    """The octets are no PDF."""

    code = "NOT_A_PDF"
    remedy = "Give a PDF file; XML and any other files need a profile of XAdES or ASiC."


class DocumentTooLargeError(DocumentError):
    """The document exceeds a limit on size, objects, pages or nesting."""

    code = "DOCUMENT_TOO_LARGE"
    remedy = "Split the document or reduce it, then try again."


class DocumentDamagedError(DocumentError):
    """The document's structure is broken."""

    code = "DOCUMENT_DAMAGED"
    remedy = "Open the document in its program, save it anew as PDF, and try again."


class DocumentIncompleteError(DocumentDamagedError):
    """The file is cut off inside its last revision; readers would take the one before it for the whole."""

    code = "DOCUMENT_INCOMPLETE"
    remedy = "Upload the complete file."


class DocumentSignedAndDamagedError(DocumentDamagedError):
    """The structure is broken, and a rewrite would destroy the signature that the document carries."""

    code = "DOCUMENT_SIGNED_AND_DAMAGED"
    remedy = "Ask for a sound copy of the signed document; repairing it would break its signature."


class DocumentEncryptedError(DocumentError):
    """A password is needed to open the document."""

    code = "DOCUMENT_ENCRYPTED"
    remedy = "Remove the password from the document, then try again."


class DocumentPermissionError(DocumentError):
    """The document's owner has not granted the right to sign it."""

    code = "DOCUMENT_PERMISSION_DENIED"
    remedy = "Ask the document's author for a version that may be signed."


class DocumentCertifiedError(DocumentError):
    """The author's certification allows no further change (ISO 32000-2, 12.8.2.2: DocMDP with P 1)."""

    code = "DOCUMENT_CERTIFIED"
    remedy = "Ask the document's author for a version whose certification allows signing."


class DocumentLockedError(DocumentError):
    """An earlier signature locks the document."""

    code = "DOCUMENT_LOCKED"
    remedy = "Sign before the signature that locks the document, or ask for a version without it."


class DocumentChangedError(DocumentError):
    """The document is not the one that was prepared."""

    code = "DOCUMENT_CHANGED"
    remedy = "Start the signing again with the document as it is now."


class NotExtendedError(DocumentError):
    """Signatures of the document could not be brought to LTA; nothing was written."""

    code = "NOT_EXTENDED"
    remedy = "The message says which signatures, and why; they are not valid, or of a form that is not extended."


class CertificateError(SigningError):
    """The signer's certificate cannot be used; `party` is its subject or the authority concerned."""

    code = "CERTIFICATE_ERROR"


class CertificateUntrustedError(CertificateError):
    """No path leads from the certificate to a trust anchor."""

    code = "CERTIFICATE_UNTRUSTED"
    remedy = "Use a certificate of a trusted authority; the operator decides which are trusted."


class CertificateExpiredError(CertificateError):
    """The certificate, or one of its issuers, is not valid at this time."""

    code = "CERTIFICATE_EXPIRED"
    remedy = "Use a card or certificate that is currently valid."


class CertificateUsageError(CertificateError):
    """The certificate is not meant for signatures (RFC 5280, 4.2.1.3: contentCommitment)."""

    code = "CERTIFICATE_USAGE"
    remedy = "Choose the certificate for signing, not the one for authentication."


class CertificateRevokedError(CertificateError):
    """The certificate, or one of its issuers, is revoked."""

    code = "CERTIFICATE_REVOKED"
    remedy = "The certificate can no longer be used; ask its authority for a new one."


class RevocationError(SigningError):
    """The state of a certificate could not be established; `party` names the service."""

    code = "REVOCATION_ERROR"
    remedy = "Try again later; if it persists, ask the operator of the named service."


class RevocationUnavailableError(RevocationError):
    """An OCSP responder or CRL server could not be reached or answered with something else."""

    code = "REVOCATION_UNAVAILABLE"


class RevocationInvalidError(RevocationError):
    """An OCSP response or CRL is not signed by who may, stale, or about something else."""

    code = "REVOCATION_INVALID"


class RevocationUnknownError(RevocationError):
    """The responder does not know the certificate."""

    code = "REVOCATION_UNKNOWN"


class RevocationNotFreshError(RevocationError):
    """No revocation data issued after the signature timestamp could be had (EN 319 102-1, 5.2.5)."""

    code = "REVOCATION_NOT_FRESH"


class SignatureValueError(SigningError):
    """The signature value does not belong to the prepared data and certificate."""

    code = "SIGNATURE_MISMATCH"
    remedy = "Sign again; the card or provider signed something else."


class ReleaseError(SigningError):
    """The finished document did not pass the check before release; nothing was written."""

    code = "RELEASE_CHECK_FAILED"
    remedy = "Nothing was signed away; report the document and the message."
