"""Connections and transactions (design, section 4): SQLite with WAL and full synchronisation, or PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from fts.jobs.ports import Tier
from fts.keyring import Keyring
from timestamping.clock import Clock

Ring = Callable[[Tier, str], None]
"""Tells the processes of a tier ("web" or "worker") about a subject, after the commit."""

_WRITES: Final = "fts_writes"
_BUSY_MILLISECONDS: Final = 15_000
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

    def __init__(self, url: str, clock: Clock, keyring: Keyring, ring: Ring = lambda _tier, _subject: None) -> None:
        """Prepare the connections; `url` as SQLAlchemy has it (`sqlite+aiosqlite:///path`)."""
        embedded = make_url(url).get_backend_name() == "sqlite"
        options = {} if embedded else {"options": _POSTGRESQL_OPTIONS}
        self._engine = create_async_engine(url, pool_size=8, max_overflow=8, connect_args=options)
        self._clock = clock
        self._keyring = keyring
        self._ring = ring
        self._embedded = embedded
        self._writing: asyncio.Lock | nullcontext[None] = asyncio.Lock() if self._embedded else nullcontext()
        if self._embedded:
            event.listen(self._engine.sync_engine, "connect", _configure)
            event.listen(self._engine.sync_engine, "begin", _begin)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for reading; on SQLite each statement sees the newest state."""
        async with self._engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Work]:
        """Give a transaction that is committed at the end, or undone on an error; then ring."""
        async with self._writing, self._engine.connect() as plain:
            connection = await plain.execution_options(**{_WRITES: True})
            async with connection.begin():
                work = Work(connection, self._clock(), self._keyring)
                yield work
        for tier, subject in work.notices:
            self._ring(tier, subject)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_MILLISECONDS}",
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Any) -> None:
    """Take the write lock at once in a writing transaction: a read that turns into a write may fail half-way.

    Reads need no transaction of their own, which would cost as much as the read.
    """
    if connection.get_execution_options().get(_WRITES, False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
