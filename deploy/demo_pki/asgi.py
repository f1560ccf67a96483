"""The few parts of ASGI 3 that the demo PKI's server needs."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyTooLargeError(Exception):
    """A request's body is longer than its resource accepts."""


class ClientDisconnectedError(Exception):
    """The client went away before its request was complete."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """Return the request's body.

    Raises:
        BodyTooLargeError: it has more than `limit` bytes.
        ClientDisconnectedError: it will never be complete.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        body += message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLargeError
        if not message.get("more_body", False):
            return bytes(body)


async def respond(
    send: Send,
    status: int,
    body: bytes,
    media_type: str = "text/plain; charset=utf-8",
    *headers: tuple[bytes, bytes],
) -> None:
    """Send a complete response."""
    start = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
