"""The card core over HTTP on the loopback: a bare ASGI application with the messages' door and the PIN window.

Only pages of the configured origins get through to the card (exact Origin), only requests for this very address count
(exact Host: a name that was rebound to the loopback is another), and only the window's own page gives a PIN.
"""

import asyncio
import html
import json
from collections.abc import Awaitable, Callable, Collection, Coroutine, MutableMapping
from pathlib import Path
from typing import Any, Final

from signing.eid.card_core import MAX_REQUEST_BYTES, CardCore
from signing.eid.pin_window import PinWindow

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_FILES: Final = Path(__file__).parent / "window"
_LANGUAGES: Final = ("en", "nl", "fr", "de")
_TEXTS: Final[dict[str, dict[str, str]]] = json.loads((_FILES / "texts.json").read_text(encoding="utf-8"))
_PIN_DIGITS: Final = range(4, 13)
_VERSION_DIGITS: Final = 15
_JSON: Final = "application/json"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_STATIC: Final = {"/window/window.js": "text/javascript", "/window/window.css": "text/css"}


class LoopbackApp:
    """Serves the card core at /message and its PIN window at /window."""

    def __init__(self, core: CardCore, window: PinWindow, *, own: str, origins: Collection[str]) -> None:
        """Serve at the origin `own` (http://127.0.0.1:PORT) for pages of `origins`."""
        self._core = core
        self._window = window
        self._own = own
        self._host = own.partition("://")[2]
        self._origins = frozenset(origins)
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Cancel what waits for a person, so that a server can stop at once; callable from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._window.stop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope (ASGI 3)."""
        if scope["type"] == "lifespan":
            self._loop = asyncio.get_running_loop()
            await _lifespan(receive, send)
            self._loop = None
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get("host") != self._host:
            await _respond(send, 403, {"error": "host"})
            return
        own = headers.get("origin") == self._own
        match scope["method"], scope["path"]:
            case "OPTIONS" | "POST" as method, "/message":
                await self._message(method, headers, receive, send)
            case "GET", "/window":
                await self._page(scope, send)
            case "GET", path if path in _STATIC:
                await _send(send, 200, (_FILES / path.rpartition("/")[2]).read_bytes(), _STATIC[path])
            case "GET", "/window/next" if headers.get("sec-fetch-site", "same-origin") == "same-origin":
                await self._next(_known(scope), receive, send)
            case "POST", "/window/pin" | "/window/cancel" | "/window/leave" as path if own:
                await self._answered(path, receive, send)
            case _:
                await _respond(send, 404, {"error": "not_found"})

    async def _message(self, method: str, headers: dict[str, str], receive: Receive, send: Send) -> None:
        origin = headers.get("origin", "")
        if origin not in self._origins:
            await _respond(send, 403, {"error": "origin"})
            return
        allowed = [(b"access-control-allow-origin", origin.encode()), (b"vary", b"origin")]
        if method == "OPTIONS":
            more = [
                (b"access-control-allow-methods", b"POST"),
                (b"access-control-allow-headers", b"content-type"),
                (b"access-control-allow-private-network", b"true"),
            ]
            await _send(send, 204, b"", _JSON, *allowed, *more)
            return
        body = await _body(receive)
        try:
            message = json.loads(body) if body is not None else None
        except (ValueError, RecursionError):
            message = None
        if headers.get("content-type", "").partition(";")[0] != _JSON:
            message = None
        answer = await _unless_gone(self._core.handle(message, origin=origin), receive)
        if answer is not None:
            await _send(send, 200, json.dumps(answer).encode(), _JSON, *allowed)

    async def _page(self, scope: Scope, send: Send) -> None:
        asked = scope["query_string"].decode("latin-1").removeprefix("lang=")
        language = asked if asked in _LANGUAGES else _LANGUAGES[0]
        texts = _TEXTS[language]
        page = (_FILES / "window.html").read_text(encoding="utf-8")
        values = {"lang": language, "window": self._window.load(), "texts": json.dumps(texts), **texts}
        for name, value in values.items():
            page = page.replace(f"{{{{{name}}}}}", html.escape(value, quote=True))
        await _send(send, 200, page.encode(), "text/html; charset=utf-8")

    async def _next(self, known: int, receive: Receive, send: Send) -> None:
        """Answer with what the window shows next; a window that goes away is noticed at once."""
        news = await _unless_gone(self._window.next(known), receive)
        if news is not None:
            await _respond(send, 200, news)

    async def _answered(self, path: str, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        try:
            given = json.loads(body or b"")
            request, pin = str(given["request"]), given.get("pin")
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            await _respond(send, 400, {"error": "malformed"})
            return
        if path.endswith("leave"):
            taken = self._window.leave(str(given.get("window")), request)
        elif path.endswith("cancel"):
            taken = self._window.give(request, None)
        elif isinstance(pin, str) and pin.isascii() and pin.isdigit() and len(pin) in _PIN_DIGITS:
            taken = self._window.give(request, pin)
        else:
            await _respond(send, 422, {"error": "pin_length"})
            return
        await _respond(send, 200 if taken else 409, {"taken": taken})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _known(scope: Scope) -> int:
    """Return the version that a window knows, 0 where it says none."""
    text = scope["query_string"].decode("latin-1").removeprefix("known=")
    return int(text) if text.isdecimal() and len(text) <= _VERSION_DIGITS else 0


async def _unless_gone(work: Coroutine[Any, Any, dict[str, Any]], receive: Receive) -> dict[str, Any] | None:
    """Return what `work` returns; cancel it, and return None, when the client goes away before."""
    result = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((result, gone), return_when=asyncio.FIRST_COMPLETED)
        return result.result() if result.done() else None
    finally:
        gone.cancel()
        result.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes | None:
    """Return the body, None where it is longer than a message may be."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_REQUEST_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _respond(send: Send, status: int, answer: dict[str, Any]) -> None:
    await _send(send, status, json.dumps(answer).encode(), _JSON)


async def _send(send: Send, status: int, body: bytes, media_type: str, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", _POLICY.encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
