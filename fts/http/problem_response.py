"""Problems as answers (RFC 9457)."""

import json
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fts.problems import CATALOGUE, ProblemError

_BY_STATUS: Final = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 415: "MEDIA_TYPE_UNSUPPORTED"}
_MOST_FAULTS: Final = 10


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
        return respond(request, error)

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        faults = "; ".join(_fault(fault) for fault in error.errors()[:_MOST_FAULTS])
        return respond(request, ProblemError("REQUEST_INVALID", faults))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        code = _BY_STATUS.get(error.status_code, "REQUEST_INVALID" if error.status_code < 500 else "INTERNAL_ERROR")
        return respond(request, ProblemError(code, str(error.detail)), dict(error.headers or {}))

    async def unforeseen(request: Request, _error: Exception) -> Response:
        return respond(request, ProblemError("INTERNAL_ERROR", "an error that nobody planned for"))

    app.add_exception_handler(ProblemError, coded)
    app.add_exception_handler(Exception, unforeseen)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, refused)


def respond(request: Request, error: ProblemError, headers: dict[str, str] | None = None) -> Response:
    """Return the answer for a problem."""
    headers = headers or {}
    if error.problem.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="fts", charset="UTF-8"'
    if error.problem.status == 503:
        headers["Retry-After"] = "2"
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
