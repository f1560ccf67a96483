"""Writing transactions that share a commit on SQLite: each stands or falls alone, and is durable when answered."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from functools import partialmethod, wraps
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from fts.audit.models import event, personal
from fts.audit.service import Actor, record, trail
from fts.db.database import Database, Work
from fts.db.group import Bounds
from fts.db.migrate import migrate
from fts.db.shared import Shared
from fts.keyring import Keyring

NOW = datetime(2026, 11, 27, tzinfo=UTC)
KEYRING = Keyring(bytes(32))
ACTOR = Actor("client", "192.0.2.7", "0123456789abcdef", "credential")


def on_a_loop(case: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on an event loop of its own."""

    @wraps(case)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(case(*arguments, **named))

    return run


class Group:
    """A database, what was rung, and how often its transactions were committed."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.rung: list[tuple[str, str]] = []
        self.commits = 0
        self.failing = False
        self._commit = Shared.commit
        monkeypatch.setattr(Shared, "commit", partialmethod(_counted, self))

    @property
    def rows(self) -> list[str]:
        """The kinds of the events that another connection sees."""
        with closing(sqlite3.connect(self.path)) as other:
            return [kind for [kind] in other.execute("SELECT kind FROM event ORDER BY id")]

    @asynccontextmanager
    async def opened(self, **bounds: Any) -> AsyncIterator[Database]:
        """Give the database."""
        url = f"sqlite+aiosqlite:///{self.path}"
        database = Database(url, lambda: NOW, KEYRING, self._ring, Bounds(**({"age": 60.0} | bounds)))
        try:
            yield database
        finally:
            await database.close()

    def _ring(self, tier: str, subject: str) -> None:
        assert self.rows, "rung before the commit"
        self.rung.append((tier, subject))

    def commit(self, shared: Shared, member: int) -> None:
        """Commit, counted; fail where that is asked for."""
        self.commits += 1
        if self.failing:
            assert shared._connection is not None
            shared._connection.execute("ROLLBACK")
        self._commit(shared, member)


def _counted(shared: Shared, group: Group, member: int) -> None:
    group.commit(shared, member)


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    path = tmp_path / "fts.sqlite3"
    migrate(f"sqlite+aiosqlite:///{path}")
    return Group(path, monkeypatch)


async def _write(database: Database, kind: str) -> None:
    async with database.write() as work:
        await record(work, kind, ACTOR, client_id="town")


@on_a_loop
async def test_whoever_fails_on_what_another_did_finds_it(group: Group) -> None:
    """Its error is raised when the other's row is there for all: whoever looks for the reason must not look in vain."""

    async def first(database: Database) -> None:
        async with database.write() as work:
            await _mark(work, "m1")
            await asyncio.sleep(0.01)

    async def fails(database: Database, error: type[Exception]) -> list[str]:
        with pytest.raises(error):  # noqa: PT012 - the transaction is what raises
            async with database.write() as work:
                if error is IntegrityError:
                    await _mark(work, "m1")
                elif (await work.connection.execute(select(event.c.id))).first() is not None:
                    raise LookupError
        return group.rows

    async def last(database: Database) -> None:
        async with database.write() as work:
            await asyncio.sleep(0.05)
            await _mark(work, "m2")

    async with group.opened() as database:
        ways = (first(database), fails(database, IntegrityError), fails(database, LookupError), last(database))
        _, after_integrity, after_looking, _ = await asyncio.gather(*ways)
    assert "m1" in after_integrity
    assert "m1" in after_looking


@on_a_loop
async def test_whoever_fails_on_what_never_came_to_be_is_told_so(group: Group) -> None:
    async def first(database: Database) -> None:
        async with database.write() as work:
            await _mark(work, "m1")
            await asyncio.sleep(0.01)

    async def second(database: Database) -> None:
        async with database.write() as work:
            await _mark(work, "m1")

    async with group.opened() as database:
        group.failing = True
        outcomes = await asyncio.gather(first(database), second(database), return_exceptions=True)
        group.failing = False
    assert [type(outcome) for outcome in outcomes] == [OperationalError, OperationalError]
    assert group.rows == []


async def _mark(work: Work, kind: str) -> None:
    """Write a row that can be there once."""
    await work.connection.execute(text("CREATE UNIQUE INDEX IF NOT EXISTS once ON event (kind)"))
    await record(work, kind, ACTOR, client_id="town")


@on_a_loop
async def test_many_records_need_few_commits(group: Group) -> None:
    """FTS-AUD-1: every record is there when its caller is answered, and 40 of them need fewer than 40 commits."""

    async def one(database: Database, number: int) -> None:
        await _write(database, f"n{number}")
        assert f"n{number}" in group.rows

    async with group.opened() as database:
        await asyncio.gather(*(one(database, number) for number in range(40)))
        assert sorted(group.rows) == sorted(f"n{number}" for number in range(40))
        assert group.commits < 10
        events = await trail(database, KEYRING, client_id="town")
    assert {each.personal["address"] for each in events if each.personal} == {"192.0.2.7"}
    assert len(events) == 40


@on_a_loop
async def test_one_alone_is_committed_at_once(group: Group) -> None:
    async with group.opened() as database:
        for number in range(3):
            await _write(database, f"n{number}")
    assert (group.commits, group.rows) == (3, ["n0", "n1", "n2"])


@pytest.mark.parametrize("limit", [1, 3])
@on_a_loop
async def test_a_group_is_bounded(group: Group, limit: int) -> None:
    async with group.opened(members=limit) as database:
        await asyncio.gather(*(_write(database, f"n{number}") for number in range(6)))
    assert (group.commits, len(group.rows)) == (6 // limit, 6)


@on_a_loop
async def test_an_old_group_takes_nobody_else(group: Group) -> None:
    async def slow(database: Database) -> None:
        async with database.write() as work:
            await record(work, "slow", ACTOR)
            await asyncio.sleep(0.2)

    async with group.opened(age=0.1) as database:
        first = asyncio.create_task(slow(database))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(_write(database, f"n{number}")) for number in range(3)]
        await first
        assert group.rows == ["slow"]
        await asyncio.gather(*rest)
    assert group.commits <= 3


async def _until(what: Callable[[], bool]) -> None:
    """Let the others run until something is so."""
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - the very next step of the loop is wanted
            await asyncio.sleep(0)


async def _members(database: Database, *middle: Any) -> list[BaseException | None]:
    """Run a member before, those of `middle` and one behind them in one group; return how each ended."""
    gate = asyncio.Event()

    async def before() -> None:
        async with database.write() as work:
            await record(work, "before", ACTOR)
            await gate.wait()

    tasks = [asyncio.create_task(before())]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(each(database)) for each in middle]
    tasks.append(asyncio.create_task(_write(database, "behind")))
    await asyncio.sleep(0.05)
    gate.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    return [each if isinstance(each, BaseException) else None for each in ended]


@on_a_loop
async def test_a_member_that_fails_leaves_nothing_and_harms_nobody(group: Group) -> None:
    async def failing(database: Database) -> None:
        async with database.write() as work:
            await record(work, "undone", ACTOR)
            work.tell("web", "undone")
            raise ValueError("no")

    async with group.opened() as database:
        ended = await _members(database, failing)
    assert [type(each) for each in ended] == [type(None), ValueError, type(None)]
    assert group.rows == ["before", "behind"]
    assert (group.commits, group.rung) == (1, [("sequencer", "")])


@on_a_loop
async def test_a_statement_that_fails_undoes_its_member_only(group: Group) -> None:
    async def failing(database: Database) -> None:
        async with database.write() as work:
            await record(work, "undone", ACTOR)
            await work.connection.execute(insert(personal).values(event_id=10**6, sealed=b""))

    async with group.opened() as database:
        ended = await _members(database, failing)
    assert isinstance(ended[1], IntegrityError)
    assert (group.rows, group.commits) == (["before", "behind"], 1)


@pytest.mark.parametrize("within", ["statement", "pause"])
@on_a_loop
async def test_a_member_that_is_cancelled_half_way_is_undone(group: Group, within: str) -> None:
    cancelled: list[asyncio.Task[None]] = []

    async def ending(database: Database) -> None:
        async with database.write() as work:
            await record(work, "undone", ACTOR)
            task = asyncio.current_task()
            assert task is not None
            cancelled.append(task)
            if within == "pause":
                asyncio.get_running_loop().call_soon(task.cancel)
                await asyncio.Event().wait()
            asyncio.get_running_loop().call_soon(task.cancel)
            await work.connection.execute(text(_SLOW))
            await record(work, "never", ACTOR)

    async with group.opened() as database:
        ended = await _members(database, ending)
        assert isinstance(ended[1], asyncio.CancelledError)
        assert (group.rows, group.commits) == (["before", "behind"], 1)
        await _write(database, "later")
    assert group.rows == ["before", "behind", "later"]


_SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n"


@on_a_loop
async def test_who_waits_for_the_turn_and_gives_up_leaves_the_rest_committed(group: Group) -> None:
    """Also the one to whom the turn was just handed: else its group would never be committed."""
    async with group.opened() as database:
        writer = database._writer
        assert writer is not None
        gate = asyncio.Event()

        async def first() -> None:
            async with database.write() as work:
                await record(work, "first", ACTOR)
                await gate.wait()

        kept, gone = asyncio.create_task(first()), asyncio.create_task(_write(database, "gone"))
        await asyncio.sleep(0.05)
        gate.set()
        await _until(lambda: not writer._waiting)
        gone.cancel()
        async with asyncio.timeout(5):
            await kept
        assert group.rows == ["first"]
        with pytest.raises(asyncio.CancelledError):
            await gone
        await _write(database, "later")
    assert group.rows == ["first", "later"]


@on_a_loop
async def test_who_is_cancelled_during_the_commit_is_committed_with_the_others(group: Group) -> None:
    async with group.opened() as database:
        tasks = [asyncio.create_task(_write(database, f"n{number}")) for number in range(4)]
        await _until(lambda: group.commits > 0)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(group.rows) == 4
    assert group.rung[-1] == ("sequencer", "")


@on_a_loop
async def test_a_commit_that_fails_fails_all_its_members(group: Group) -> None:
    async with group.opened() as database:
        group.failing = True
        ended = await _members(database)
        assert all(isinstance(each, OperationalError) for each in ended)
        assert (group.rows, group.rung) == ([], [])
        group.failing = False
        await _write(database, "later")
    assert group.rows == ["later"]


@on_a_loop
async def test_a_transaction_that_the_database_undid_fails_all_and_nothing_is_written_outside_it(group: Group) -> None:
    """A full disk makes SQLite undo everything; what comes after must not be committed by itself."""

    async def losing(database: Database) -> None:
        async with database.write() as work:
            await record(work, "lost", ACTOR)
            await work.connection.exec_driver_sql("ROLLBACK")
            await record(work, "outside", ACTOR)

    async with group.opened() as database:
        ended = await _members(database, losing)
        assert isinstance(ended[0], OperationalError)
        assert isinstance(ended[1], OperationalError)
        assert group.rows in ([], ["behind"])
        assert (ended[2] is None) == (group.rows == ["behind"])
        await _write(database, "later")
    assert group.rows[-1] == "later"


@on_a_loop
async def test_a_member_that_hides_that_the_transaction_is_lost_fails_too(group: Group) -> None:
    async with group.opened() as database:
        with pytest.raises(OperationalError):  # noqa: PT012 - raised at the end of the transaction
            async with database.write() as work:
                await record(work, "lost", ACTOR)
                await work.connection.exec_driver_sql("ROLLBACK")
    assert group.rows == []


@on_a_loop
async def test_a_member_reads_what_it_wrote(group: Group) -> None:
    async def reading(database: Database) -> None:
        async with database.write() as work:
            await record(work, "mine", ACTOR)
            assert (await work.connection.execute(select(event.c.kind))).scalars().all()[-1] == "mine"

    async with group.opened() as database:
        assert await _members(database, reading) == [None, None, None]


@on_a_loop
async def test_a_transaction_within_a_transaction_is_refused(group: Group) -> None:
    async with group.opened() as database, asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="within"):
            async with database.write():
                await _write(database, "inner")
    assert group.rows == []


@on_a_loop
async def test_a_member_that_takes_too_long_is_undone(group: Group) -> None:
    async with group.opened(longest=0.1) as database:
        with pytest.raises(OperationalError):  # noqa: PT012 - raised at the end of the transaction
            async with database.write() as work:
                await record(work, "undone", ACTOR)
                await asyncio.sleep(60)
        await _write(database, "later")
    assert group.rows == ["later"]


@on_a_loop
async def test_nothing_is_written_after_the_end(group: Group) -> None:
    kept: list[Work] = []
    async with group.opened() as database:
        async with database.write() as work:
            await record(work, "mine", ACTOR)
            kept.append(work)
        with pytest.raises(Exception, match="over"):
            await record(kept[0], "late", ACTOR)
    assert group.rows == ["mine"]


@on_a_loop
async def test_closing_waits_for_what_is_under_way(group: Group) -> None:
    async with group.opened() as database:
        tasks = [asyncio.create_task(_write(database, f"n{number}")) for number in range(8)]
        await asyncio.sleep(0)
        await database.close()
        await asyncio.gather(*tasks)
    assert len(group.rows) == 8


@on_a_loop
async def test_a_busy_database_refuses_one_and_serves_the_next(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fts.db.sqlite._BUSY_SECONDS", 0.05)
    async with group.opened() as database:
        with closing(sqlite3.connect(group.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OperationalError, match="locked"):
                await _write(database, "refused")
            other.execute("COMMIT")
        await _write(database, "later")
    assert group.rows == ["later"]
