"""The authority's HTTP door, driven as ASGI (RFC 3161, 3.4)."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.timestamping.units import AFTER_THE_END, POLICY, Unit, status_of
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority import app as app_module
from timestamping.authority.app import MAX_QUERY_BYTES, Refused, Scope, TimestampingApp
from timestamping.authority.authority import Authority
from timestamping.authority.policies import Policies
from timestamping.authority.ports import Caller, Decision
from timestamping.request import build_request

QUERY = build_request(bytes(32), DigestAlgorithm.SHA256, nonce=7)
QUERY_TYPE = b"application/timestamp-query"


class Exchange:
    """One request, and what the application did with it."""

    def __init__(self, *pieces: bytes, method: str = "POST", media_type: bytes | None = QUERY_TYPE) -> None:
        headers = [] if media_type is None else [(b"content-type", media_type)]
        self._scope: dict[str, Any] = {"type": "http", "method": method, "path": "/tsa", "headers": headers}
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        self.received = 0
        self.sent: list[Any] = []

    def with_disconnect(self) -> "Exchange":
        self._messages[-1] = {"type": "http.disconnect"}
        return self

    def announcing(self, length: bytes) -> "Exchange":
        self._scope["headers"].append((b"content-length", length))
        return self

    def from_address(self, address: str) -> "Exchange":
        self._scope["client"] = (address, 1234)
        return self

    def run(self, unit: Unit) -> "Exchange":
        return self.run_with(TimestampingApp(unit.authority))

    def run_with(self, app: TimestampingApp) -> "Exchange":
        async def receive() -> dict[str, Any]:
            self.received += 1
            return self._messages[self.received - 1]

        async def send(message: Any) -> None:
            self.sent.append(message)

        asyncio.run(app(self._scope, receive, send))
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


@pytest.mark.parametrize("length", [b"65537", b"104857600", b"9" * 5_000])
def test_announced_as_too_large(unit: Unit, length: bytes) -> None:
    exchange = Exchange(QUERY).announcing(length).run(unit)
    assert (exchange.status, exchange.received, exchange.headers[b"connection"]) == (413, 0, b"close")


class Kept:
    """Remembers decisions."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    async def append(self, decisions: Sequence[Decision]) -> None:
        self.decisions += decisions


def test_who_asked_is_on_record(unit: Unit) -> None:
    kept = Kept()
    caller = Caller("client", "192.0.2.7", "reference")

    async def admit(scope: Scope) -> Caller:
        assert scope["path"] == "/tsa"
        return caller

    authority = Authority(unit.authority.unit, unit.authority._clock, policies=Policies(POLICY), log=kept)
    Exchange(QUERY).run_with(TimestampingApp(authority, admit))
    Exchange(QUERY).from_address("192.0.2.8").run_with(TimestampingApp(authority))
    assert [decision.caller for decision in kept.decisions] == [caller, Caller(address="192.0.2.8")]


def test_who_is_not_admitted_is_not_read(unit: Unit) -> None:
    async def admit(_scope: Scope) -> Caller:
        raise Refused(429, [(b"retry-after", b"7")], "your capacity is used up\n")

    exchange = Exchange(QUERY).run_with(TimestampingApp(unit.authority, admit))
    assert (exchange.status, exchange.received) == (429, 0)
    assert (exchange.headers[b"retry-after"], exchange.body) == (b"7", b"your capacity is used up\n")


def test_more_at_once_than_fit_are_sent_away(unit: Unit) -> None:
    app = TimestampingApp(unit.authority, max_in_progress=3)
    statuses: list[int] = []

    async def ask(go_on: asyncio.Event) -> None:
        async def receive() -> dict[str, Any]:
            await go_on.wait()
            return {"type": "http.request", "body": QUERY}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                assert message["status"] != 503 or (b"retry-after", b"1") in message["headers"]

        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", QUERY_TYPE)]}
        await app(scope, receive, send)

    async def crowd() -> None:
        go_on = asyncio.Event()
        asking = [asyncio.create_task(ask(go_on)) for _ in range(5)]
        await asyncio.sleep(0)
        assert app.in_progress == 3
        go_on.set()
        await asyncio.gather(*asking)
        await ask(go_on)

    asyncio.run(crowd())
    assert statuses == [503, 503, 200, 200, 200, 200]
    assert app.in_progress == 0


def test_a_query_that_does_not_arrive(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "MAX_BODY_SECONDS", 0.01)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", QUERY_TYPE)]}
    asyncio.run(TimestampingApp(unit.authority)(scope, receive, send))
    assert sent[0]["status"] == 408


def lifespan(app: TimestampingApp) -> list[Any]:
    """Start the application and stop it again; return what it says."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "lifespan"}, receive, send))
    return sent


def test_lifespan(unit: Unit) -> None:
    closed: list[bool] = []
    sent = lifespan(TimestampingApp(unit.authority, close=lambda: closed.append(True)))
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert closed == [True]


def test_no_start_with_a_unit_that_expired(unit: Unit) -> None:
    late = Authority(unit.authority.unit, lambda: AFTER_THE_END, policies=Policies(POLICY))
    (sent,) = lifespan(TimestampingApp(late))
    assert sent["type"] == "lifespan.startup.failed"
    assert "a new key and certificate" in sent["message"]
