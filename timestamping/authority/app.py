"""The HTTP door of the authority (RFC 3161, clause 3.4): a bare ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter_ns
from typing import Any

from timestamping.authority.authority import Authority
from timestamping.authority.ports import Caller
from timestamping.authority.unit import UnitUnfitError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

MAX_QUERY_BYTES = 65_536
MAX_IN_PROGRESS = 1_000
"""Requests that one process works on; more are sent away with 503."""
RETRY_AFTER_SECONDS = 1
MAX_BODY_SECONDS = 10.0
"""How long a caller may take to send a query; a slow one would keep others out."""
_LENGTH_DIGITS = 18
_QUERY_TYPE = b"application/timestamp-query"
_REPLY_TYPE = b"application/timestamp-reply"
_TEXT = b"text/plain; charset=utf-8"


class Refused(Exception):  # noqa: N818  the answer to a caller, not an error of ours
    """Raised by the admission hook: the request is answered with this status and text, and not decided on."""

    def __init__(self, status: int, headers: Headers, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.headers = tuple(headers)
        self.text = text


Admission = Callable[[Scope], Awaitable[Caller]]
"""Says who asks, by the request's scope; raises `Refused`."""

Answered = Callable[[int, int], None]
"""Hears of an answer: HTTP status, and nanoseconds since the request came."""


class TimestampingApp:
    """Answers POST with a timestamp reply; 405, 413 and 415 say what a caller did wrong."""

    def __init__(
        self,
        authority: Authority,
        admit: Admission | None = None,
        *,
        max_in_progress: int = MAX_IN_PROGRESS,
        close: Callable[[], None] | None = None,
        answered: Answered = lambda _status, _nanoseconds: None,
    ) -> None:
        """Take the parts.

        Args:
            authority: who decides.
            admit: asked before a body is read; without it everybody may ask.
            max_in_progress: requests worked on at the same time.
            close: called when the server shuts down.
            answered: told the status of each answer and the time it took.
        """
        self._authority = authority
        self._admit = admit
        self._max_in_progress = max_in_progress
        self._close = close
        self._answered = answered
        self.in_progress = 0
        """Requests being worked on now."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        started = perf_counter_ns()
        if self.in_progress >= self._max_in_progress:
            retry = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())
            await _send(send, 503, _TEXT, b"the authority is busy; try again\n", retry)
            self._answered(503, perf_counter_ns() - started)
            return
        self.in_progress += 1
        status = 500
        try:
            status = await self._serve(scope, receive, send)
        finally:
            self.in_progress -= 1
            if status:
                self._answered(status, perf_counter_ns() - started)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer, and return the status; 0 where the caller went away."""
        if scope["method"] != "POST":
            text = b"POST a timestamp query (RFC 3161) as application/timestamp-query\n"
            return await _send(send, 405, _TEXT, text, (b"allow", b"POST"))
        media_type, announced = _declared(scope)
        if media_type != _QUERY_TYPE:
            return await _send(send, 415, _TEXT, b"the media type must be application/timestamp-query\n")
        if announced > MAX_QUERY_BYTES:
            return await _too_large(send)
        try:
            caller = await self._admit(scope) if self._admit is not None else _address(scope)
        except Refused as refused:
            return await _send(send, refused.status, _TEXT, refused.text.encode(), *refused.headers)
        try:
            query = await _body(receive)
        except TimeoutError:
            return await _send(send, 408, _TEXT, b"the query took too long to arrive\n", (b"connection", b"close"))
        if query is None:
            return 0
        if len(query) > MAX_QUERY_BYTES:
            return await _too_large(send)
        return await _send(send, 200, _REPLY_TYPE, await self._authority.reply(query, caller))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self._authority.check()
                except UnitUnfitError as error:
                    await send({"type": "lifespan.startup.failed", "message": f"{error}. {error.remedy}"})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._close is not None:
                    self._close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _declared(scope: Scope) -> tuple[bytes, int]:
    media_type, length = b"", 0
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value.split(b";")[0].strip().lower()
        elif name == b"content-length" and value.isdigit():
            length = int(value[:_LENGTH_DIGITS])
    return media_type, length


async def _body(receive: Receive) -> bytes | None:
    """Return the body, or its beginning once that is too large; None where the caller went away.

    Raises:
        TimeoutError: it did not come within `MAX_BODY_SECONDS`.
    """
    async with asyncio.timeout(MAX_BODY_SECONDS):
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body") and len(body) <= MAX_QUERY_BYTES:
            message = await receive()
            body += message.get("body", b"")
    return None if message["type"] == "http.disconnect" else body


def _address(scope: Scope) -> Caller:
    client = scope.get("client")
    return Caller(address=client[0] if client else None)


async def _too_large(send: Send) -> int:
    # the rest of the body stays unread: the connection is not used again
    return await _send(send, 413, _TEXT, b"a query is at most 65536 octets\n", (b"connection", b"close"))


async def _send(send: Send, status: int, media_type: bytes, body: bytes, *more: tuple[bytes, bytes]) -> int:
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return status
