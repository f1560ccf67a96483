"""How many requests a second one web process answers, each with its durable record.

The peer does what the database must do for them, through the bare driver: the same statements, one durable commit for
each record, one after the other.
"""

import asyncio
import base64
import secrets
import sqlite3
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.gateway import Gateway
from tests.support.postgres import PostgresDatabase

_CONNECTIONS = 16
_DOCUMENT = b"%PDF-1.7\n% a small document\n"
_COUNT = "SELECT count(*) FROM event WHERE kind = 'document.downloaded'"
_THERE = "SELECT id FROM document WHERE key_id = ? AND expires_at > ?"
_EVENT = (
    "INSERT INTO event (at, kind, actor, reference, client_id, document_id, data, personal_sha256) "
    "VALUES (?, 'document.downloaded', 'client', ?, 'town', 'bench', ?, ?) RETURNING id"
)
_PERSONAL = "INSERT INTO personal (event_id, sealed) VALUES (?, ?)"
_SEALED_OCTETS = 100


@dataclass(frozen=True)
class Load:
    """What was answered, and how many records a second the bare driver keeps."""

    database: str
    connections: int
    requests: int
    events: int
    per_second: float
    p50_ms: float
    p95_ms: float
    bare_per_second: float


def audited_requests(directory: Path, seconds: float, server: PostgresDatabase | None = None) -> Load:
    """Download a small document again and again; each download is an event, committed before the answer begins."""
    directory.mkdir()
    chosen: dict[str, Any] = {} if server is None else {"database": server.url}
    with Gateway(directory, limits={"inspection_wait_seconds": 0.0}, **chosen) as gateway:
        gateway.account.upload(_DOCUMENT, "bench")
        gateway.worker.stop()
        with closing(_connected(directory, server)) as database:
            [before] = database.execute(_COUNT).fetchone() or (0,)
            begin = time.perf_counter()
            times = asyncio.run(_load(gateway, seconds))
            took = time.perf_counter() - begin
            [after] = database.execute(_COUNT).fetchone() or (0,)
            gateway.sequencer.stop()
            gateway.web.stop()
            bare = _bare(database, seconds)
    if after - before != len(times):
        raise RuntimeError(f"{len(times)} requests, {after - before} events")
    cuts = statistics.quantiles(times, n=20)
    name = "SQLite" if server is None else "PostgreSQL"
    rate, median = len(times) / took, statistics.median(times)
    return Load(name, _CONNECTIONS, len(times), after - before, rate, median * 1000, cuts[18] * 1000, bare)


def _connected(directory: Path, server: PostgresDatabase | None) -> Any:
    """Return a connection of the bare driver that commits where it is told, durably."""
    if server is not None:
        return psycopg.connect(host=str(server.server.directory), dbname=server.name, user="postgres", autocommit=True)
    database = sqlite3.connect(directory / "data" / "fts.sqlite3", timeout=20, isolation_level=None)
    database.execute("PRAGMA synchronous=FULL")
    database.execute("PRAGMA foreign_keys=ON")
    return database


def _bare(database: Any, seconds: float) -> float:
    """Return how many records a second are written by the same statements, each committed by itself."""
    is_sqlite = isinstance(database, sqlite3.Connection)
    there, event, personal = (
        statement if is_sqlite else statement.replace("?", "%s") for statement in (_THERE, _EVENT, _PERSONAL)
    )
    [key_id] = database.execute("SELECT key_id FROM document WHERE id = 'bench'").fetchone()
    data = '{"sha256": "' + "9f" * 32 + '"}'
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        now = time.time_ns() // 1000
        database.execute("BEGIN IMMEDIATE" if is_sqlite else "BEGIN")
        database.execute(there, (key_id, now)).fetchall()
        row = (now, secrets.token_hex(8), data, secrets.token_bytes(32))
        [[number]] = database.execute(event, row).fetchall()
        database.execute(personal, (number, secrets.token_bytes(_SEALED_OCTETS)))
        database.execute("COMMIT")
        count += 1
    return count / (time.perf_counter() - begin)


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
