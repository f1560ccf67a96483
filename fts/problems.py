"""Every failure that the HTTP API can answer: code, status, title and remedy, in one catalogue (RFC 9457).

The engines' own errors come into it with their codes and remedies; `docs/errors.md` is printed from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from fts.errors import DocumentTooComplexError, RefusalError
from signing import ports as signing
from signing.asic.ports import ContainerError
from signing.xades.ports import DocumentNameError
from signing.xml.ports import XmlDamagedError
from timestamping import ports as timestamping

Coded = signing.SigningError | timestamping.TimestampError


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry of the catalogue."""

    code: str
    status: int
    title: str
    remedy: str


class ProblemError(Exception):
    """A request ends with a problem of the catalogue."""

    def __init__(self, code: str, detail: str, *, security: Literal["foreign_data"] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.security = security
        """Whether it is a security event, too, though the caller is told nothing of it."""
        self.problem = CATALOGUE[code]
        self.more = more
        """Further members of the answer (RFC 9457, clause 3.2)."""


_OWN: Final = (
    Problem("REQUEST_INVALID", 400, "The request is malformed", "Correct what the detail names, then send it again."),
    Problem("CREDENTIALS_REQUIRED", 401, "Credentials are missing or wrong", "Send id and secret (Basic)."),
    Problem("NETWORK_REFUSED", 403, "Calls from this network are not agreed", "Call from a registered network."),
    Problem("SCOPE_MISSING", 403, "The credential may not do this", "Use a credential with the scope in the detail."),
    Problem("CAPACITY_EXCEEDED", 429, "More than the agreed capacity", "Wait for the time in Retry-After."),
    Problem("PROFILE_NOT_AGREED", 422, "The profile is not agreed", "Use one of the agreed profiles."),
    Problem("PROFILE_UNSUITABLE", 422, "The profile does not fit the document", "Use a profile that the detail names."),
    Problem("RECORD_UNAVAILABLE", 503, "What is done cannot be recorded", "Try again later; nothing was done."),
    Problem("STORE_UNAVAILABLE", 503, "The store does not answer", "Try again later; nothing was done."),
    Problem("TIMESTAMP_REFUSED", 422, "The timestamp was refused", "Correct what fail_info names (RFC 3161)."),
    Problem("TIMESTAMP_OPTION_REFUSED", 422, "The option is not offered here", "Leave out what the detail names."),
    Problem("TIMESTAMP_SUSPENDED", 503, "No timestamps are issued now", "Try again later; fail_info names why."),
    Problem("TIMESTAMP_NOT_FOUND", 404, "There is no such timestamp", "Check the id; it ends with its document."),
    Problem("TIMESTAMP_NOT_READY", 409, "There is no timestamp yet", "Read the timestamp until it is ready."),
    Problem("NOT_FOUND", 404, "There is nothing here", "Check the address; the API is described at /openapi.json."),
    Problem("METHOD_NOT_ALLOWED", 405, "The method is not allowed here", "Use one of the methods in Allow."),
    Problem("HOST_UNKNOWN", 421, "The host name is not ours", "Use the gateway's public address."),
    Problem("MEDIA_TYPE_UNSUPPORTED", 415, "The media type is not supported", "Send the media type that is described."),
    Problem("RANGE_NOT_SATISFIABLE", 416, "The range is outside the content", "Ask for one range inside the content."),
    Problem("BODY_TOO_LARGE", 413, "The body is too large", "Send less; the detail names the limit."),
    Problem("UPLOAD_TOO_SLOW", 408, "The upload took too long", "Upload again over a faster connection."),
    Problem("UPLOAD_INCOMPLETE", 400, "The upload ended early", "Upload the document again."),
    Problem("DIGEST_REQUIRED", 400, "Content-Digest is missing", "Send Content-Digest (RFC 9530) with sha-256."),
    Problem("DIGEST_MISMATCH", 422, "The content is not what its digest says", "Compute it anew and upload again."),
    Problem("DOCUMENT_EXISTS", 409, "Another document has this id", "Choose another id for another document."),
    Problem("DOCUMENT_NOT_FOUND", 404, "There is no such document", "Upload it; documents are kept five days at most."),
    Problem("DOCUMENT_NOT_READY", 409, "The document is still inspected", "Read the document until it is ready."),
    Problem("DOCUMENT_IN_USE", 409, "A signature is being finished", "Wait until the signing has ended, then delete."),
    Problem("RETURN_URL_UNKNOWN", 422, "The return URL is not registered", "Use a registered URL, octet for octet."),
    Problem("IDEMPOTENCY_MISMATCH", 409, "The key was used for another request", "Use a new Idempotency-Key."),
    Problem("SIGNING_NOT_FOUND", 404, "There is no such signing", "Check the id; signings end with their document."),
    Problem("SIGNING_NOT_COMPLETED", 409, "There is no signed document", "Wait for the state completed."),
    Problem("SIGNING_ENDED", 409, "The signing has ended", "Read its state; create a new signing if need be."),
    Problem("SIGNING_FINISHING", 409, "The signature is being finished", "Wait for the end; it takes seconds."),
    Problem("SIGNING_EXPIRED", 410, "The time to sign is over", "Ask the organisation that sent you for a new link."),
    Problem("SIGNING_STATE", 409, "The signing is at another step", "Reload the page."),
    Problem("SIGNING_CANCELLED", 409, "The organisation cancelled", "Ask the organisation that sent you."),
    Problem("SIGNING_DECLINED", 409, "The signer declined", "Create a new signing if the signer agrees after all."),
    Problem("LINK_INVALID", 404, "The link is not valid", "Open the link again from the organisation that sent you."),
    Problem("SESSION_REQUIRED", 403, "The page has no session", "Open the link from the organisation that sent you."),
    Problem("SESSION_REPLACED", 409, "The link was opened in another browser", "Continue there, or reopen the link."),
    Problem("ORIGIN_REFUSED", 403, "The request came from another site", "Use the signing page itself."),
    Problem("CERTIFICATE_MALFORMED", 422, "The certificate cannot be read", "Use another card or update its software."),
    Problem("SIGNER_NOT_ALLOWED", 422, "Another person must sign", "Use the card of the person who was invited."),
    Problem("DIGEST_NOT_PREPARED", 409, "The digest is not the one to be signed", "Reload the page and sign again."),
    Problem("PREVIEW_UNAVAILABLE", 503, "The page cannot be shown", "Try again, or download the document."),
    Problem("PAGE_NOT_FOUND", 404, "There is no such page", "Ask for a page from 1 to the number of pages."),
    Problem("OVERLOADED", 503, "The gateway is busy", "Try again after the time in Retry-After."),
    Problem("NOT_READY", 503, "A part of the gateway does not work", "Try again later; the detail names the part."),
    Problem("INTERNAL_ERROR", 500, "Something went wrong here", "Try again; if it persists, quote the reference."),
)

_STATUSES: Final = (
    (signing.DocumentError, 422),
    (signing.CertificateError, 422),
    (signing.SignatureValueError, 422),
    (signing.RevocationUnavailableError, 504),
    (signing.RevocationError, 502),
    (timestamping.TimestampUnavailableError, 504),
    (timestamping.TimestampError, 502),
    (signing.SigningError, 500),
)
"""Whose fault each of the engines' errors is: the caller's, ours, or that of the party it names."""


def _engine_problems() -> Iterator[Problem]:
    classes: list[type[signing.SigningError] | type[timestamping.TimestampError]] = [
        signing.SigningError,
        timestamping.TimestampError,
    ]
    while classes:
        kind = classes.pop(0)
        classes.extend(kind.__subclasses__())
        status = next(status for base, status in _STATUSES if issubclass(kind, base))
        title = (kind.__doc__ or "").partition("\n")[0].partition(";")[0].partition(" (")[0].rstrip(".:")
        yield Problem(kind.code, status, title, kind.remedy)


CATALOGUE: Final = {problem.code: problem for problem in (*_OWN, *_engine_problems())}
_IMPORTED: Final = (DocumentTooComplexError, ContainerError, DocumentNameError, XmlDamagedError)
"""One class of each module with errors of its own: those of a module that was not imported would be missing."""
assert all(kind.code in CATALOGUE for kind in _IMPORTED)  # noqa: S101


def problem_of(refusal: RefusalError) -> Problem:
    """Return the catalogue's entry of a refusal that a worker process answered with."""
    return CATALOGUE.get(refusal.code, CATALOGUE["INTERNAL_ERROR"])


def catalogue_markdown() -> str:
    """Return the catalogue as the text of `docs/errors.md`."""
    rows = "\n".join(
        f"| `{p.code}` | {p.status} | {p.title} | {p.remedy} |"
        for p in sorted(CATALOGUE.values(), key=lambda p: p.code)
    )
    return (
        "# Error codes\n\n"
        "Every refusal is `application/problem+json` (RFC 9457) with `code`, `title`, `detail`, `remedy` and "
        "`reference`;\ncodes are stable. Status 4xx: the caller can change it. 5xx: ours; 502 and 504 name in "
        "`party` who failed. A signing that ended\nwithout a signature carries the same codes in its `problem`.\n\n"
        "This file is printed by `fts errors`.\n\n"
        "| code | status | what | what to do |\n|---|---|---|---|\n" + rows + "\n"
    )
