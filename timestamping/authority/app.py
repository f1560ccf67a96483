"""The HTTP door of the authority (RFC 3161, clause 3.4): a bare ASGI application."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from timestamping.authority.authority import Authority

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_QUERY_BYTES = 65_536
_QUERY_TYPE = b"application/timestamp-query"
_REPLY_TYPE = b"application/timestamp-reply"


class TimestampingApp:
    """Answers POST with a timestamp reply; 405, 413 and 415 say what a caller did wrong."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _send(send, 405, b"text/plain", b"POST a timestamp query (RFC 3161)", (b"allow", b"POST"))
            return
        media_type = dict(scope["headers"]).get(b"content-type", b"").split(b";")[0].strip().lower()
        if media_type != _QUERY_TYPE:
            await _send(send, 415, b"text/plain", b"the media type must be " + _QUERY_TYPE)
            return
        query = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            query += message.get("body", b"")
            if len(query) > MAX_QUERY_BYTES:
                await _send(send, 413, b"text/plain", b"a query is at most 65536 octets")
                return
            if not message.get("more_body"):
                break
        await _send(send, 200, _REPLY_TYPE, self._authority.reply(query))


async def _send(send: Send, status: int, media_type: bytes, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
