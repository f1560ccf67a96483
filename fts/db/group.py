"""Committing together (design, section 8): writing transactions of one process that wait for SQLite share its commit.

Each is a member of a group: it has its turn alone, its savepoint, and its answer after the common commit. Where nobody
waits, a member is a group of its own; while a commit goes to the disk, the next group gathers.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from fts.db.hands import Hands
from fts.db.shared import Shared
from fts.db.sqlite import Answer, Cursor, Job
from fts.jobs.ports import Tier

Notice = tuple[Tier, str]
"""A tier and a subject."""
Ring = Callable[[Tier, str], None]
"""Tells the processes of a tier ("web" or "worker") about a subject, after the commit."""
T = TypeVar("T")

_OVER: Final = 0
"""No member's number."""
_LOG: Final = logging.getLogger("fts.db")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a group may take; times in seconds."""

    members: int = 64
    age: float = 0.05
    """A group that began longer ago takes nobody else."""
    longest: float = 60.0
    """After this time a member is undone, as PostgreSQL undoes what is idle in a transaction."""


class Member:
    """One writing transaction under way: to SQLAlchemy a connection of aiosqlite."""

    _connection = True
    isolation_level = None

    def __init__(self, writer: "Writer", number: int) -> None:
        self._writer = writer
        self.number = number

    def cursor(self) -> Cursor:
        """Return a cursor."""
        return Cursor(self.run)

    async def run(self, job: Job) -> Answer:
        """Do something in the thread, in one hand-over."""
        return await self._writer.execute(self.number, job)

    async def create_function(self, *_arguments: Any, **_options: Any) -> None:
        """Leave out SQLAlchemy's own functions (regexp, floor): no writing statement has them."""

    async def commit(self) -> None:
        """Do nothing: the group commits."""

    async def rollback(self) -> None:
        """Do nothing: the group undoes."""

    async def close(self) -> None:
        """Do nothing: the connection of the database is the group's."""

    def stop(self) -> None:
        """Do nothing: the connection of the database is the group's."""


@dataclass(slots=True)
class Turn:
    """What a member has while it is its turn."""

    connection: AsyncConnection
    member: Member
    notices: list[Notice] = field(default_factory=list)
    """Whom to tell what once the member is durable."""


@dataclass(slots=True)
class _Group:
    committed: asyncio.Future[BaseException | None]
    """Why it was not; None where it is on disk."""
    begun: float | None = None
    members: int = 0
    lost: bool = False
    notices: dict[Notice, None] = field(default_factory=dict)
    """Each once, in their order."""


class Writer:
    """All writing of one process on SQLite."""

    def __init__(self, url: str, path: str, ring: Ring, bounds: Bounds) -> None:
        """Open nothing yet; `path` is the file that `url` names."""
        self._ring = ring
        self._shared = Shared(path)
        self._bounds = bounds
        self._engine = create_async_engine(url, pool_size=1, async_creator=self._member)
        self._hands: Hands | None = None
        self._group: _Group | None = None
        self._number = 0
        self._taken = False
        self._holder: asyncio.Task[Any] | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._settling: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Give a transaction; at the end it is durable, or undone and the error raised.

        An error, too, is raised after the common commit: what led to it may be what another member did, which nobody
        else could see before.

        Whoever is cancelled while the commit is under way does not know its outcome.

        Raises:
            OperationalError: the commit failed, or it took too long.
            RuntimeError: this task is within a transaction already, and would wait for itself.
        """
        if self._holder is not None and self._holder is asyncio.current_task():
            raise RuntimeError("a transaction within a transaction")
        await self._take()
        group = self._joined()
        self._number += 1
        number, limit = self._number, asyncio.timeout(self._bounds.longest)
        try:
            async with limit, self._engine.connect() as connection:
                member: Any = (await connection.get_raw_connection()).driver_connection
                turn = Turn(connection, member)
                member.number = number
                try:
                    yield turn
                finally:
                    member.number = _OVER
        except BaseException as error:
            await self._left(group, number, None)
            if isinstance(error, Exception):
                await self._durable(group, error)
            if limit.expired() and isinstance(error, TimeoutError):
                raise OperationalError(f"after {self._bounds.longest:g} s", None, error) from error
            raise
        await self._left(group, number, turn.notices)
        await self._durable(group)

    async def _durable(self, group: _Group, error: Exception | None = None) -> None:
        failure = await asyncio.shield(group.committed)
        if failure is not None:
            raise OperationalError("COMMIT", None, failure) from error or failure

    async def execute(self, number: int, job: Job) -> Answer:
        """Do something for a member, in the thread."""
        answer = await self._handed(partial(self._shared.execute, number, job))
        if self._group is not None and self._group.begun is None:
            self._group.begun = asyncio.get_running_loop().time()
        return answer

    async def close(self) -> None:
        """Close the connection, after what is under way."""
        await self._take()
        try:
            if self._group is not None:
                await self._commit(self._group, self._number)
            if self._hands is not None:
                await self._handed(self._shared.close)
                self._hands.end()
                self._hands = None
            await self._engine.dispose()
        finally:
            self._holder = None
            self._hand_over()

    async def _member(self) -> Member:
        return Member(self, self._number)

    async def _take(self) -> None:
        """Wait for the turn; whoever gives up after it was handed over passes it on."""
        if not self._taken:
            self._taken = True
        else:
            ticket = asyncio.get_running_loop().create_future()
            self._waiting.append(ticket)
            try:
                await ticket
            except BaseException:
                if not ticket.cancelled():
                    self._settle(self._pass_on(self._group, self._number))
                raise
        self._holder = asyncio.current_task()

    def _joined(self) -> _Group:
        if self._group is None:
            self._group = _Group(asyncio.get_running_loop().create_future())
        return self._group

    async def _left(self, group: _Group, number: int, notices: Iterable[Notice] | None) -> None:
        """End a member's turn, even where its task is cancelled meanwhile; without notices it is undone."""
        self._holder = None
        if notices is not None:
            group.members += 1
            group.notices.update(dict.fromkeys(notices))
            if self._goes_on(group):
                self._hand_over()
                return
            ending = self._pass_on(group, number)
        else:
            ending = self._undo(group, number)
        await asyncio.shield(self._settle(ending))

    def _settle(self, ending: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(ending)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def _undo(self, group: _Group, number: int) -> None:
        try:
            await self._handed(partial(self._shared.undo, number))
        except Exception:  # noqa: BLE001 - logged; its group is given up
            _LOG.exception("a transaction cannot be undone alone: all that shared it fail")
            group.lost = True
        finally:
            await self._pass_on(group, number)

    async def _pass_on(self, group: _Group | None, number: int) -> None:
        """Commit where nobody joins the group any more, then give the turn to whoever waits."""
        try:
            if group is not None and not self._goes_on(group):
                await self._commit(group, number)
        finally:
            self._hand_over()

    def _goes_on(self, group: _Group) -> bool:
        now = asyncio.get_running_loop().time()
        return (
            not group.lost
            and group.members < self._bounds.members
            and (group.begun is None or now - group.begun < self._bounds.age)
            and any(not ticket.done() for ticket in self._waiting)
        )

    async def _commit(self, group: _Group, number: int) -> None:
        self._group = None
        try:
            await self._handed(partial(self._shared.commit, number))
        except BaseException as error:
            group.committed.set_result(error)
            if not isinstance(error, Exception):
                raise
            return
        group.committed.set_result(None)
        for tier, subject in group.notices:
            try:
                self._ring(tier, subject)
            except Exception:  # noqa: BLE001 - logged; what is committed stays so
                _LOG.exception("nobody was told of what is committed")

    def _hand_over(self) -> None:
        """Give the turn to the first who still waits, or leave it free."""
        while self._waiting:
            ticket = self._waiting.popleft()
            if not ticket.done():
                ticket.set_result(None)
                return
        self._taken = False

    async def _handed(self, job: Callable[[], T]) -> T:
        if self._hands is None:
            self._hands = Hands("writes")
        return await self._hands.do(job)
