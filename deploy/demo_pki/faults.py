"""Faults that the demo PKI's server shows on purpose, so that clients can be tested against bad trust services."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from deploy.demo_pki.asgi import ASGIApp, Message, Receive, Scope, Send, respond

FaultKind = Literal["down", "slow", "html", "garbage", "stale", "unknown", "wrong_responder", "truncated", "huge"]

_CHUNK_BYTES = 64 * 1024
_PAGE = b"<!doctype html><html><head><title>TEST</title></head><body>Please log in.</body></html>"
_GARBAGE = bytes(range(255, -1, -1))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the answers of one path.

    Kinds: `down` answers 503; `slow` answers properly after `delay`; `html` answers 200 with a web page, `garbage`
    with bytes that are no DER; `truncated` cuts the proper answer in half; `huge` streams `size` bytes without
    announcing their number. Where revocation is published, `stale` gives the answer of `shift` ago, with the status
    of then; on the OCSP path, `unknown` knows no certificate and `wrong_responder` signs, over the right names, with
    the key of a citizen whom nobody authorised. Elsewhere these three are refused with status 500 and logged.
    """

    kind: FaultKind
    delay: float = 1.0
    """Seconds that `slow` waits."""
    shift: timedelta = timedelta(days=1)
    """Age of what `stale` answers."""
    size: int = 64 * 1024 * 1024
    """Bytes that `huge` sends."""


async def send_instead(fault: Fault, send: Send, media_type: str) -> bool:
    """Send the answer of a fault that needs no proper one; return False, having sent nothing, for the others."""
    match fault.kind:
        case "down":
            await respond(send, 503, b"TEST service is down\n")
        case "html":
            await respond(send, 200, _PAGE, "text/html; charset=utf-8")
        case "garbage":
            await respond(send, 200, _GARBAGE, media_type)
        case "huge":
            await _stream(send, fault.size, media_type)
        case _:
            return False
    return True


async def send_truncated(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let `app` answer and pass half of the body on, properly framed."""
    start: Message = {}
    body = bytearray()

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, collect)
    half = bytes(body[: len(body) // 2])
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    headers.append((b"content-length", str(len(half)).encode()))
    await send({"type": "http.response.start", "status": start["status"], "headers": headers})
    await send({"type": "http.response.body", "body": half})


async def _stream(send: Send, size: int, media_type: str) -> None:
    headers = [(b"content-type", media_type.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for sent in range(0, size, _CHUNK_BYTES):
        chunk = bytes(min(_CHUNK_BYTES, size - sent))
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
