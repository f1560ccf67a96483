"""What is killed while five days pass: processes that upload and processes that sweep, on a clock of the test."""

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from fts.audit.service import Actor
from fts.clients.service import find
from fts.configuration import load
from fts.documents import service as documents
from fts.services import wired
from fts.upkeep import sweep

SIZES = (1, 700, 70_000)
LARGE = "large"
"""Begins the id of a document that an S3 store sends in parts."""
_LARGE_OCTETS = 11 << 20


class SharedClock:
    """A moment in a file, the same for all processes; only the test moves it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def set(self, moment: datetime) -> None:
        """Move the time."""
        temporary = self._path.with_suffix(".new")
        temporary.write_text(repr(moment.timestamp()))
        temporary.rename(self._path)

    def __call__(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(float(self._path.read_text()), UTC)


def content(document_id: str) -> bytes:
    """Return the octets of a document, which follow from its id."""
    digest = hashlib.sha256(document_id.encode()).digest()
    size = _LARGE_OCTETS if document_id.startswith(LARGE) else SIZES[digest[0] % len(SIZES)]
    return (digest * (size // 32 + 1))[:size]


def upload(config: Path, clock: Path, wanted: list[tuple[str, str]], told: Connection) -> None:
    """Upload documents, client and id, and tell of each one that was taken in."""
    logging.disable(logging.CRITICAL)
    asyncio.run(_upload(config, SharedClock(clock), wanted, told))


async def _upload(config: Path, clock: SharedClock, wanted: list[tuple[str, str]], told: Connection) -> None:
    gate = asyncio.Semaphore(8)

    async def one(client_id: str, document_id: str) -> None:
        octets = content(document_id)

        async def body() -> AsyncIterator[bytes]:
            yield octets

        async with gate, services.database.read() as connection:
            client = await find(connection, client_id)
            assert client is not None
            order = documents.Upload(document_id, "x.pdf", hashlib.sha256(octets).digest(), "application/pdf")
            taken = await documents.receive(services, client, Actor("client"), order, body())
            told.send((client_id, document_id, taken.expires_at))

    async with wired(load(config), "web", clock) as services:
        await asyncio.gather(*(one(*each) for each in wanted))
    told.close()


def sweeping(config: Path, clock: Path, rounds: int) -> None:
    """Sweep a number of times, or until killed."""
    logging.disable(logging.CRITICAL)
    asyncio.run(_sweeping(config, SharedClock(clock), rounds))


async def _sweeping(config: Path, clock: SharedClock, rounds: int) -> None:
    async with wired(load(config), "worker", clock) as services:
        for _ in range(rounds):
            await sweep(services)
            await asyncio.sleep(0.001)


def stored(data: Path) -> tuple[set[str], set[str]]:
    """Return the names of all objects and of all keys on the disk."""
    objects = {f"{path.parent.name}/{path.name}" for path in (data / "objects").glob("*/*")}
    keys = {path.name for path in (data / "keys").glob("*/*")}
    return objects, keys


def hours(count: float) -> timedelta:
    """Return hours."""
    return timedelta(hours=count)


def seed() -> int:
    """Return the seed of what is random, for a repetition: FTS_SEED."""
    return int(os.environ.get("FTS_SEED", "20261124"))


def documents_asked(usual: int) -> int:
    """Return how many documents a test of five days asks for: FTS_RETENTION_DOCUMENTS, or what it usually does."""
    return int(os.environ.get("FTS_RETENTION_DOCUMENTS", str(usual)))
