"""The application of an authority that stands alone: the door, health and figures, on paths of their own."""

import json
from collections.abc import Callable
from typing import Final

from fts.tsa.composition import ComposedAuthority
from fts.tsa.door import Networks, parsed_address
from fts.tsa.figures import exposition
from fts.tsa.tally import Tally
from timestamping.authority.app import Receive, Scope, Send, TimestampingApp

DOORS: Final = ("/", "/tsa")
"""Paths that take timestamp queries."""

_JSON: Final = b"application/json"
_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"


class AuthorityApp:
    """`POST /tsa` and `POST /`; `GET /health/live`, `/health/ready` and, for monitors, `/metrics`."""

    def __init__(self, door: TimestampingApp, composed: ComposedAuthority, tally: Tally, monitors: Networks) -> None:
        self._door = door
        self._composed = composed
        self._tally = tally
        self._monitors = monitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._door(scope, receive, send)
        elif scope["type"] == "http":
            if scope["path"] in DOORS:
                await self._door(scope, receive, send)
            else:
                await self._aside(scope, send)

    async def _aside(self, scope: Scope, send: Send) -> None:
        answers: dict[str, Callable[[], tuple[int, bytes, bytes]]] = {
            "/health/live": lambda: (200, _JSON, b'{"status": "live"}\n'),
            "/health/ready": self._ready,
            "/metrics": self._metrics,
        }
        answer = answers.get(scope["path"])
        if answer is None or (scope["path"] == "/metrics" and not self._may_monitor(scope)):
            await _send(send, 404, _TEXT, b"there is nothing here\n")
        elif scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, _TEXT, b"only GET is allowed here\n", (b"allow", b"GET, HEAD"))
        else:
            await _send(send, *answer())

    def _ready(self) -> tuple[int, bytes, bytes]:
        faults = self._composed.faults()
        body = {"status": "not ready", "faults": faults} if faults else {"status": "ready"}
        return (503 if faults else 200), _JSON, json.dumps(body).encode() + b"\n"

    def _metrics(self) -> tuple[int, bytes, bytes]:
        return 200, _TEXT, exposition(self._composed, self._tally.totals()).encode()

    def _may_monitor(self, scope: Scope) -> bool:
        client = scope.get("client")
        address = parsed_address(client[0]) if client else None
        return address is not None and (address.is_loopback or any(address in network for network in self._monitors))


async def _send(send: Send, status: int, media_type: bytes, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
