"""Databases with the tables of the trail: SQLite in a file, and PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from fts.audit.models import chain
from fts.audit.service import Actor, record
from fts.db.database import Database
from fts.keyring import Keyring
from tests.support.migrated import migrated
from tests.support.postgres import Postgres, postgres

T = TypeVar("T")

settings.register_profile("shared processor", deadline=None)
settings.load_profile("shared processor")


@dataclass
class Place:
    """A database and a time that moves by hand."""

    url: str
    now: datetime = datetime(2026, 11, 24, 8, tzinfo=UTC)

    def go(self, **by: float) -> None:
        self.now += timedelta(**by)

    def open(self) -> Database:
        return Database(self.url, lambda: self.now, Keyring(bytes(32)))

    def run(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Do something with a database that is closed afterwards."""

        async def inside() -> T:
            database = self.open()
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(inside())


async def write(database: Database, count: int) -> None:
    """Record events."""
    async with database.write() as work:
        for n in range(count):
            await record(work, "test.step", Actor.system(), n=n)


async def links(database: Database) -> list[tuple[int, int]]:
    """Return number and event of each link."""
    async with database.read() as connection:
        found = await connection.execute(chain.select().order_by(chain.c.seq))
        return [(row.seq, row.event_id) for row in found]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Place:
    url = f"sqlite+aiosqlite:///{tmp_path / 'trail.sqlite3'}"
    migrated(url)
    return Place(url)


@pytest.fixture
def on_postgresql(server: Postgres) -> Place:
    url = server.create().url
    migrated(url)
    return Place(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"on_{request.param}")
    return found
