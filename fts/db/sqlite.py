"""SQLite with one hand-over to the thread per statement.

aiosqlite hands over four times for a statement: a cursor, the statement, its rows, the cursor's end. Each time two
threads wait for each other. Here the statement comes back with its rows.
"""

import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self, cast

import aiosqlite

Parameters = Sequence[Any]
_BUSY_SECONDS: Final = 15.0
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement returned."""

    description: Any
    rows: list[Any]
    rowcount: int
    lastrowid: int | None


Job = Callable[[sqlite3.Connection], Answer]
Run = Callable[[Job], Awaitable[Answer]]
"""Runs a function in the thread that owns the connection."""


class Cursor:
    """A cursor as SQLAlchemy's adapter for aiosqlite expects it."""

    arraysize = 1

    def __init__(self, run: Run) -> None:
        self._run = run
        self._answer = Answer(None, [], -1, None)
        self._rows: deque[Any] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Parameters = ()) -> None:
        """Execute a statement and fetch its rows."""
        self._take(await self._run(partial(_execute, statement=statement, parameters=parameters)))

    async def executemany(self, statement: str, parameters: Iterable[Parameters]) -> None:
        """Execute a statement once for each of the parameters."""
        self._take(await self._run(partial(_execute_many, statement=statement, parameters=parameters)))

    @property
    def description(self) -> Any:
        """Names of the columns (PEP 249); None where there are no rows to come."""
        return self._answer.description

    @property
    def rowcount(self) -> int:
        """How many rows were changed; -1 where that is not said."""
        return self._answer.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The id of the row inserted last."""
        return self._answer.lastrowid

    async def fetchone(self) -> Any:
        """Return the next row, None at the end."""
        return self._rows.popleft() if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    async def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        rows, self._rows = list(self._rows), deque()
        return rows

    async def close(self) -> None:
        """Do nothing: the cursor of the database was closed with its statement."""

    def _take(self, answer: Answer) -> None:
        self._answer = answer
        self._rows = deque(answer.rows)


class Connection(aiosqlite.Connection):
    """A connection of aiosqlite whose statements are handed over once."""

    def cursor(self) -> Cursor:  # type: ignore[override]
        """Return a cursor, without asking the thread."""
        return Cursor(self._run)

    async def commit(self) -> None:
        """Commit, where something was begun."""
        if self.in_transaction:
            await super().commit()

    async def rollback(self) -> None:
        """Undo, where something was begun."""
        if self.in_transaction:
            await super().rollback()

    async def _run(self, job: Job) -> Answer:
        return cast(Answer, await self._execute(job, self._conn))  # type: ignore[no-untyped-call]


async def connected(path: str) -> Connection:
    """Open a connection with a thread of its own."""
    connection = Connection(partial(opened, path), iter_chunk_size=64)
    connection._thread.daemon = True  # as SQLAlchemy does: who forgets to close it can still end
    await connection
    return connection


def opened(path: str) -> sqlite3.Connection:
    """Open a connection for this thread: WAL, commits synchronised, transactions begun by us alone."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
    except BaseException:
        connection.close()
        raise
    return connection


def _execute(connection: sqlite3.Connection, *, statement: str, parameters: Parameters) -> Answer:
    cursor = connection.execute(statement, parameters)
    try:
        return Answer(cursor.description, cursor.fetchall(), cursor.rowcount, cursor.lastrowid)
    finally:
        cursor.close()


def _execute_many(connection: sqlite3.Connection, *, statement: str, parameters: Iterable[Parameters]) -> Answer:
    cursor = connection.executemany(statement, parameters)
    try:
        return Answer(None, [], cursor.rowcount, None)
    finally:
        cursor.close()
