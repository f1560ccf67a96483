"""Connections and transactions (design, section 4): SQLite with WAL and full synchronisation, or PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from fts.db.group import Bounds, Ring, Writer
from fts.db.sqlite import Run, connected
from fts.jobs.ports import Tier
from fts.keyring import Keyring
from timestamping.clock import Clock

_BOUNDS: Final = Bounds()
_POOL: Final = {"pool_size": 8, "max_overflow": 8}
_POSTGRESQL_OPTIONS: Final = (
    "-c idle_in_transaction_session_timeout=60000 -c statement_timeout=60000 -c synchronous_commit=on"
)
"""No transaction holds its locks for longer than a minute, and a commit is on disk before it is answered."""


@dataclass(slots=True)
class Work:
    """One writing transaction: its connection, its moment, the keys, and whom to tell when it is committed."""

    connection: AsyncConnection
    now: datetime
    keyring: Keyring
    together: Run | None = None
    """On SQLite: runs several statements of the driver in one hand-over."""
    _notices: list[tuple[Tier, str]] = field(default_factory=list)

    def tell(self, tier: Tier, subject: str = "") -> None:
        """Tell a tier about a subject once the transaction is committed."""
        if (tier, subject) not in self._notices:
            self._notices.append((tier, subject))

    @property
    def notices(self) -> list[tuple[Tier, str]]:
        """Whom to tell what."""
        return self._notices


class Database:
    """The database of one process."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        keyring: Keyring,
        ring: Ring = lambda _tier, _subject: None,
        bounds: Bounds = _BOUNDS,
    ) -> None:
        """Prepare the connections; `url` as SQLAlchemy has it (`sqlite+aiosqlite:///path`); `bounds` are for SQLite."""
        self._clock = clock
        self._keyring = keyring
        self._ring = ring
        self._writer: Writer | None = None
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            path = parsed.database or ""
            self._engine = create_async_engine(url, **_POOL, async_creator=partial(connected, path))
            self._writer = Writer(url, path, ring, bounds)
        else:
            self._engine = create_async_engine(url, **_POOL, connect_args={"options": _POSTGRESQL_OPTIONS})

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for reading, which commits nothing; on SQLite each statement sees the newest state."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Work]:
        """Give a transaction that is committed at the end, or undone on an error; then ring.

        On SQLite those that wait for each other share a commit (`fts.db.group`): inside, wait for nothing but the
        database and what is as quick.
        """
        if self._writer is None:
            async with self._engine.begin() as connection:
                work = Work(connection, self._clock(), self._keyring)
                yield work
            for tier, subject in work.notices:
                self._ring(tier, subject)
            return
        async with self._writer.turn() as turn:
            work = Work(turn.connection, self._clock(), self._keyring, turn.member.run, turn.notices)
            yield work

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    async def close(self) -> None:
        """Close all connections."""
        if self._writer is not None:
            await self._writer.close()
        await self._engine.dispose()
