"""Nobody keeps the others out of an authority by connections that he holds (FTS-TS-4)."""

import asyncio
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from fts.tsa.configuration import Door, DoorClient
from fts.tsa.connections import BoundedProtocol, ConnectionLimits, Connections, Sweep, protocol_of, with_descriptors
from fts.tsa.door import Capacities, NetworkAdmission

LIMITS = ConnectionLimits(most=6, most_of_a_client=4, most_of_strangers=2, most_unread_octets=100_000, most_seconds=3)
HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body, once that is there; below /large with 200 kB."""
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        return
    answer = bytes(200_000) if scope["path"] == "/large" else b"%d" % len(body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


class Serving:
    """A server on loopback; who comes from 127.0.0.1 is `town`, from 127.0.0.2 `city`, others are strangers."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.state = ServerState()
        self.sweep = Sweep(limits)
        self._bounds = Connections({"127.0.0.1": "town", "127.0.0.2": "city"}.get, limits)  # type: ignore[arg-type]
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Serving":
        config = uvicorn.Config(application, http=protocol_of(self._bounds), log_config=None, ws="none")
        config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: BoundedProtocol(self._bounds, config=config, server_state=self.state, app_state={}),
            "127.0.0.1",
            0,
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        await gone(self)

    async def open(self, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(source, 0))
        self._writers.append(writer)
        await asyncio.sleep(0.01)
        return reader, writer


def run(case: Callable[[Serving], Awaitable[None]], limits: ConnectionLimits = LIMITS) -> None:
    async def work() -> None:
        async with asyncio.timeout(10), Serving(limits) as serving:
            await case(serving)

    asyncio.run(work())


async def gone(serving: Serving) -> None:
    for _ in range(100):
        if not serving.state.connections:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a connection is still held")


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(HEAD + b"abc")
    return await reader.readuntil(b"3")


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what comes before the connection ends."""
    with suppress(ConnectionError):
        return await reader.read()
    return b""


def test_one_caller_too_many_is_told_so_and_others_are_served() -> None:
    async def case(serving: Serving) -> None:
        held = [await serving.open() for _ in range(4)]
        reader, _ = await serving.open()
        answer = await ended(reader)
        assert answer.startswith(b"HTTP/1.1 429 ")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
        assert b"200" in await asked(*await serving.open("127.0.0.2"))
        held[0][1].close()
        await held[0][1].wait_closed()
        await asyncio.sleep(0.02)
        assert b"200" in await asked(*await serving.open())

    run(case)


def test_strangers_share_few_and_all_together_have_a_bound() -> None:
    async def case(serving: Serving) -> None:
        for _ in range(4):
            await serving.open("127.0.0.1")
        for source in ("127.0.0.3", "127.0.0.4"):
            await serving.open(source)
        for source in ("127.0.0.5", "127.0.0.2"):
            reader, _ = await serving.open(source)
            assert b"429" in await ended(reader)

    run(case)


SLOW = {
    "silent": [b""],
    "a head that drips": [b"P", b"O", b"S", b"T", b" "],
    "a body that does not come": [HEAD],
    "a second head that drips": [HEAD + b"abc", b"P", b"O", b"S", b"T"],
}


@pytest.mark.parametrize("manner", SLOW)
def test_who_does_not_come_to_an_end_is_ended(manner: str) -> None:
    async def case(serving: Serving) -> None:
        reader, writer = await serving.open()
        for number in range(8):
            pieces = SLOW[manner]
            if number < len(pieces):
                writer.write(pieces[number])
            await asyncio.sleep(0.02)
            serving.sweep(serving.state.connections)
            if number < LIMITS.most_seconds - 1:
                assert serving.state.connections
        await ended(reader)
        await gone(serving)

    run(case)


def test_a_connection_at_work_or_at_rest_is_left_alone() -> None:
    async def case(serving: Serving) -> None:
        working, resting = await serving.open(), await serving.open()
        await asked(*resting)
        for _ in range(3 * LIMITS.most_seconds):
            assert b"200" in await asked(*working)
            await asyncio.sleep(0.01)
            serving.sweep(serving.state.connections)
        assert b"200" in await asked(*resting)

    run(case)


def test_who_does_not_take_the_answers_is_ended() -> None:
    """Requests one behind the other, whose answers are never read."""

    async def case(serving: Serving) -> None:
        _, writer = await serving.open()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write((HEAD.replace(b"/", b"/large", 1) + b"abc") * 500)
        await asyncio.sleep(0.3)
        for _ in range(LIMITS.most_seconds):
            assert serving.state.connections
            serving.sweep(serving.state.connections)
        await asyncio.sleep(0.05)
        serving.sweep(serving.state.connections)
        await gone(serving)

    run(case)


@pytest.mark.parametrize(
    "endless", [b"GET /" + b"a" * 200_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 40_000], ids=["path", "headers"]
)
def test_a_head_without_end_is_not_collected(endless: bytes) -> None:
    async def case(serving: Serving) -> None:
        reader, writer = await serving.open()
        for at in range(0, len(endless), 50_000):
            writer.write(endless[at : at + 50_000])
            await asyncio.sleep(0.01)
        await ended(reader)
        await gone(serving)

    run(case)


@pytest.mark.parametrize(
    ("soft", "hard", "expected"), [(1_000_000, 1_000_000, 1_000_000), (100, 5_000, 1_128), (100, 500, 500)]
)
def test_descriptors_for_all_connections(soft: int, hard: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = (soft, hard)

    def set_(_which: int, wanted: tuple[int, int]) -> None:
        nonlocal now
        now = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _which: now)
    monkeypatch.setattr(resource, "setrlimit", set_)
    limits = with_descriptors(ConnectionLimits(most=1_000))
    assert now == (expected, hard)
    assert limits.most == min(1_000, expected - 128)


def test_to_whom_a_connection_belongs() -> None:
    town = DoorClient(id="town", networks=(ip_network("192.0.2.0/24"),), per_minute=10, burst=10)
    closed = NetworkAdmission(Door(clients=(town,), monitors=(ip_network("198.51.100.0/24"),)), Capacities([town]))
    assert closed.owner("192.0.2.7") == "town"
    assert closed.owner("::ffff:192.0.2.7") == "town"
    assert closed.owner("198.51.100.9") == "monitors"
    assert closed.owner("203.0.113.1") is None
    assert closed.owner(None) is None
    opened = NetworkAdmission(Door(open=True), Capacities([]))
    assert opened.owner("203.0.113.1") == "203.0.113.1"
