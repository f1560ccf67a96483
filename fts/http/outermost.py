"""The outermost layer: host, load, admission, reference, security headers, an answer for whatever goes wrong inside."""

import logging
import secrets
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request

from fts.http.admission import Admission
from fts.http.noticing import notice_damage
from fts.http.problem_response import UNAVAILABLE, problem_headers, problem_json_bytes, problem_of_failure
from fts.problems import ProblemError

Scope = Any
Receive = Any
Send = Any

_LOG: Final = logging.getLogger("fts.http")

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_WATCHED: Final = frozenset({"/health/live", "/health/ready"})
"""What a load balancer asks for, by whatever name it knows the process, and under any load."""
_CONTENT_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"


class Outermost:
    """Wraps the application (bare ASGI): decides what may enter, and marks every answer."""

    def __init__(self, app: Any, admission: Callable[[], Admission], *, host: str, secure: bool, most: int) -> None:
        """Let at most `most` requests in at a time, for the host (with port) `host`; `admission` decides the rest."""
        self._app = app
        self._admission = admission
        self._host = host.lower().encode()
        self._secure = secure
        self._most = most
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reference = secrets.token_hex(8)
        scope.setdefault("state", {})["reference"] = reference
        answer = _Marked(send, reference, secure=self._secure)
        path = scope["path"]
        if path not in _WATCHED:
            hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
            if hosts != [self._host]:
                await _refuse(answer, ProblemError("HOST_UNKNOWN", "the Host header names another host"), reference)
                return
            if self._under_way >= self._most:
                await _refuse(answer, ProblemError("OVERLOADED", "too many requests are under way"), reference)
                return
        self._under_way += 1
        admission, admitted = self._admission(), None
        try:
            admitted = await admission.decide(scope)
            await self._app(scope, receive, answer)
        except ProblemError as error:
            await _refuse(answer, error, reference)
        except UNAVAILABLE as error:
            _LOG.error("request %s: %s", reference, type(error).__name__, exc_info=error)
            admission.desk.notice_failure(error)
            if not answer.started:
                await _refuse(answer, problem_of_failure(error), reference)
        except Exception as error:  # noqa: BLE001 - logged, and answered without a word about it
            _LOG.exception("request %s: %s failed", reference, scope["method"])
            await notice_damage(Request(scope), error)
            if not answer.started:
                await _refuse(answer, ProblemError("INTERNAL_ERROR", "an error that nobody planned for"), reference)
        finally:
            self._under_way -= 1
            admission.release(admitted)


class _Marked:
    """Adds the headers that every answer has."""

    def __init__(self, send: Send, reference: str, *, secure: bool) -> None:
        self._send = send
        self._secure = secure
        self._reference = reference.encode()
        self.started = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = list(message["headers"])
            names = {name for name, _ in headers}
            headers += [(name, value) for name, value in _HEADERS if name not in names]
            headers.append((b"x-request-id", self._reference))
            if b"content-security-policy" not in names:
                headers.append((b"content-security-policy", _CONTENT_POLICY))
            if b"cache-control" not in names:
                headers.append((b"cache-control", b"no-store"))
            if self._secure:
                headers.append((b"strict-transport-security", b"max-age=31536000"))
            message = {**message, "headers": headers}
        await self._send(message)


async def _refuse(send: _Marked, error: ProblemError, reference: str) -> None:
    body = problem_json_bytes(error, reference)
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem_headers(error).items()]
    await send({"type": "http.response.start", "status": error.problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
