"""Problems as answers (RFC 9457)."""

import json
import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fts.http.noticing import notice_damage, notice_refusal
from fts.http.refusals import record_refusal
from fts.incidents.service import Kind
from fts.problems import CATALOGUE, ProblemError
from storage.envelope import EnvelopeError
from storage.ports import ObjectMissingError, StorageError

_BY_STATUS: Final = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 415: "MEDIA_TYPE_UNSUPPORTED"}
_MOST_FAULTS: Final = 10
_LOG: Final = logging.getLogger("fts.http")

UNAVAILABLE: Final = (OperationalError, InterfaceError, InternalError, PoolTimeoutError, StorageError)
"""Failures of database and stores; a server that takes only reading transactions says InternalError."""

_SECURITY_EVENTS: Final[dict[str, Kind]] = {"LINK_INVALID": "link_refused", "ORIGIN_REFUSED": "session_refused"}
"""Refusals of the signing page that are recorded (FTS-GDPR-6)."""


def problem_body(error: ProblemError, reference: str) -> dict[str, Any]:
    """Return the members of a problem."""
    problem = error.problem
    return {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": str(error),
        "remedy": problem.remedy,
        "reference": reference,
        **{name: value for name, value in error.more.items() if value is not None},
    }


def problem_json_bytes(error: ProblemError, reference: str) -> bytes:
    """Return a problem as its answer's body."""
    return json.dumps(problem_body(error, reference), ensure_ascii=False).encode()


def install(app: FastAPI) -> None:
    """Answer every failure of the application with a problem."""

    async def coded(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101 - registered for it
        return await respond(request, error)

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        faults = "; ".join(_fault(fault) for fault in error.errors()[:_MOST_FAULTS])
        return await respond(request, ProblemError("REQUEST_INVALID", faults))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        code = _BY_STATUS.get(error.status_code, "REQUEST_INVALID" if error.status_code < 500 else "INTERNAL_ERROR")
        return await respond(request, ProblemError(code, str(error.detail)), dict(error.headers or {}))

    async def unforeseen(request: Request, _error: Exception) -> Response:
        return await respond(request, ProblemError("INTERNAL_ERROR", "an error that nobody planned for"))

    async def unavailable(request: Request, error: Exception) -> Response:
        _LOG.error("request %s: %s", request.state.reference, type(error).__name__, exc_info=error)
        await notice_damage(request, error)
        request.app.state.services.desk.notice_failure(error)
        return await respond(request, problem_of_failure(error))

    app.add_exception_handler(ProblemError, coded)
    for kind in UNAVAILABLE:
        app.add_exception_handler(kind, unavailable)
    app.add_exception_handler(Exception, unforeseen)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, refused)


def problem_headers(error: ProblemError) -> dict[str, str]:
    """Return the headers that a problem's answer has."""
    if error.problem.status == 401:
        return {"WWW-Authenticate": 'Basic realm="fts", charset="UTF-8"'}
    if error.problem.status == 503:
        return {"Retry-After": "2"}
    if "retry_after" in error.more:
        return {"Retry-After": str(error.more["retry_after"])}
    return {"Allow": error.more["allow"]} if "allow" in error.more else {}


def problem_of_failure(error: Exception) -> ProblemError:
    """Return the problem of a database or store that does not work: nothing is done without its record."""
    if isinstance(error, EnvelopeError | ObjectMissingError):
        return ProblemError("DOCUMENT_CHANGED", "the stored object is not the one that was kept")
    if isinstance(error, StorageError):
        return ProblemError("STORE_UNAVAILABLE", "the object store or the key store failed")
    return ProblemError("RECORD_UNAVAILABLE", "the database does not take records")


async def respond(request: Request, error: ProblemError, headers: dict[str, str] | None = None) -> Response:
    """Return the answer for a problem."""
    headers = {**problem_headers(error), **(headers or {})}
    kind = error.security or _SECURITY_EVENTS.get(error.problem.code)
    if kind is not None:
        await notice_refusal(request, kind)
    await record_refusal(request, error.problem)
    body = problem_json_bytes(error, request.state.reference)
    return Response(body, error.problem.status, headers, media_type="application/problem+json")


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the problems that a route can answer."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for code in ("REQUEST_INVALID", "OVERLOADED", "INTERNAL_ERROR", *codes):
        problem = CATALOGUE[code]
        entry = by_status.setdefault(
            problem.status,
            {
                "description": "",
                "content": {
                    "application/problem+json": {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "examples": {},
                    }
                },
            },
        )
        entry["description"] = "; ".join(filter(None, (entry["description"], problem.title)))
        example = problem_body(ProblemError(code, problem.title), "4f3c2a1b0d9e8f77")
        entry["content"]["application/problem+json"]["examples"][code] = {"value": example}
    return by_status


def _fault(fault: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}"
