"""How many requests a second one web process answers, each with its durable record."""

import asyncio
import base64
import sqlite3
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.support.gateway import Gateway

_CONNECTIONS = 16
_DOCUMENT = b"%PDF-1.7\n% a small document\n"


@dataclass(frozen=True)
class Load:
    """What was answered."""

    connections: int
    requests: int
    events: int
    per_second: float
    p50_ms: float
    p95_ms: float


def audited_requests(directory: Path, seconds: float) -> Load:
    """Download a small document again and again; each download is an event, committed before the answer begins."""
    directory.mkdir()
    with Gateway(directory, limits={"inspection_wait_seconds": 0.0}) as gateway:
        gateway.account.upload(_DOCUMENT, "bench")
        gateway.worker.stop()
        before = _events(directory)
        begin = time.perf_counter()
        times = asyncio.run(_load(gateway, seconds))
        took = time.perf_counter() - begin
        events = _events(directory) - before
    if events != len(times):
        raise RuntimeError(f"{len(times)} requests, {events} events")
    cuts = statistics.quantiles(times, n=20)
    return Load(_CONNECTIONS, len(times), events, len(times) / took, statistics.median(times) * 1000, cuts[18] * 1000)


def _events(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "data" / "fts.sqlite3", timeout=20)) as database:
        [[count]] = database.execute("SELECT count(*) FROM event WHERE kind = 'document.downloaded'")
        return int(count)


async def _load(gateway: Gateway, seconds: float) -> list[float]:
    credentials = base64.b64encode(f"{gateway.account.client_id}:{gateway.account.secret}".encode()).decode()
    request = (
        f"GET /v1/documents/bench/content HTTP/1.1\r\nHost: localhost:{gateway.port}\r\n"
        f"Authorization: Basic {credentials}\r\n\r\n"
    ).encode()
    deadline = time.perf_counter() + seconds
    found = await asyncio.gather(*(_caller(gateway.port, request, deadline) for _ in range(_CONNECTIONS)))
    return [one for caller in found for one in caller]


async def _caller(port: int, request: bytes, deadline: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    while time.perf_counter() < deadline:
        begin = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        times.append(time.perf_counter() - begin)
    writer.close()
    await writer.wait_closed()
    return times
