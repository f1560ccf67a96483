"""The one form in which a failure reaches a user: a stable code, what happened, what to do about it."""

from typing import ClassVar

from signing.eid.ports import CardError
from signing.ports import DocumentError, SigningError
from timestamping.ports import TimestampError


class RefusalError(Exception):
    """A failure with its code and remedy, wherever it came from."""

    def __init__(self, code: str, message: str, remedy: str, party: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy
        self.party = party
        """Who failed, where somebody else did."""


class DocumentTooComplexError(DocumentError):
    """Reading the document took more time or memory than a document may, or ended its process."""

    code: ClassVar[str] = "DOCUMENT_TOO_COMPLEX"
    remedy: ClassVar[str] = "Open the document in its program, save it anew as PDF or split it, then try again."


CODED_ERRORS = (RefusalError, SigningError, TimestampError, CardError)
"""Every error that carries `code` and `remedy`."""


def refusal_of(error: Exception) -> RefusalError:
    """Return one of `CODED_ERRORS` as a `RefusalError`."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, SigningError | TimestampError | CardError):
        party = None if isinstance(error, CardError) else error.party
        return RefusalError(error.code, str(error), error.remedy, party)
    raise TypeError(f"{type(error).__name__} has no code")


def file_refusal(code: str, error: OSError, name: str) -> RefusalError:
    """Return the refusal for a file operation that failed."""
    reason = error.strerror or type(error).__name__
    return RefusalError(code, f"{name}: {reason}", "Check the path and your rights to it, then try again.")
