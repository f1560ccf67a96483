"""The authority's HTTP door, driven as ASGI (RFC 3161, 3.4)."""

import asyncio
from typing import Any

import pytest

from tests.unit.timestamping.units import Unit, status_of
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.app import MAX_QUERY_BYTES, TimestampingApp
from timestamping.request import build_request

QUERY = build_request(bytes(32), DigestAlgorithm.SHA256, nonce=7)
QUERY_TYPE = b"application/timestamp-query"


class Exchange:
    """One request, and what the application did with it."""

    def __init__(self, *pieces: bytes, method: str = "POST", media_type: bytes | None = QUERY_TYPE) -> None:
        headers = [] if media_type is None else [(b"content-type", media_type)]
        self._scope = {"type": "http", "method": method, "path": "/tsa", "headers": headers}
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        self.received = 0
        self.sent: list[Any] = []

    def with_disconnect(self) -> "Exchange":
        self._messages[-1] = {"type": "http.disconnect"}
        return self

    def run(self, unit: Unit) -> "Exchange":
        async def receive() -> dict[str, Any]:
            self.received += 1
            return self._messages[self.received - 1]

        async def send(message: Any) -> None:
            self.sent.append(message)

        asyncio.run(TimestampingApp(unit.authority)(self._scope, receive, send))
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return bytes(self.sent[1]["body"])


@pytest.mark.parametrize("media_type", [QUERY_TYPE, b"Application/Timestamp-Query; charset=binary"])
@pytest.mark.parametrize("size", [1, 7, len(QUERY)])
def test_query_in_pieces(unit: Unit, media_type: bytes, size: int) -> None:
    pieces = [QUERY[at : at + size] for at in range(0, len(QUERY), size)]
    exchange = Exchange(*pieces, media_type=media_type).run(unit)
    assert exchange.status == 200
    assert exchange.headers[b"content-type"] == b"application/timestamp-reply"
    assert exchange.headers[b"content-length"] == str(len(exchange.body)).encode()
    assert exchange.headers[b"cache-control"] == b"no-store"
    assert status_of(exchange.body)[0]["status"].native == "granted"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(unit: Unit, method: str) -> None:
    exchange = Exchange(QUERY, method=method).run(unit)
    assert (exchange.status, exchange.headers[b"allow"], exchange.received) == (405, b"POST", 0)


@pytest.mark.parametrize("media_type", [None, b"", b"application/ocsp-request", b"text/html", b"\xff"])
def test_other_media_types(unit: Unit, media_type: bytes | None) -> None:
    exchange = Exchange(QUERY, media_type=media_type).run(unit)
    assert (exchange.status, exchange.received) == (415, 0)


def test_reading_stops_at_the_limit(unit: Unit) -> None:
    exchange = Exchange(*[bytes(MAX_QUERY_BYTES // 2)] * 1_000).run(unit)
    assert (exchange.status, exchange.received) == (413, 3)


def test_longest_query_is_answered(unit: Unit) -> None:
    exchange = Exchange(bytes(MAX_QUERY_BYTES)).run(unit)
    assert exchange.status == 200
    assert status_of(exchange.body)[0]["status"].native == "rejection"


def test_empty_query_is_rejected(unit: Unit) -> None:
    assert status_of(Exchange(b"").run(unit).body)[0]["status"].native == "rejection"


def test_caller_that_goes_away(unit: Unit) -> None:
    assert Exchange(QUERY[:5], b"").with_disconnect().run(unit).sent == []
