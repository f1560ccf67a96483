"""Jobs: leases, fencing, and that nothing is done twice with effect."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fts.db.database import Database
from fts.db.migrate import migrate
from fts.jobs.bell import Bell
from fts.jobs.queue import Job, LeaseLostError, claim, complete, enqueue, next_time, postpone, renew

LEASE = timedelta(seconds=10)
Work = Callable[[Database], Coroutine[Any, Any, None]]


class HandClock:
    """Time that moves by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def run(tmp_path: Path, clock: HandClock) -> Callable[[Work], None]:
    """Run a coroutine over a fresh database."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}"
    migrate(url)

    def run(work: Work) -> None:
        async def inside() -> None:
            database = Database(url, clock)
            try:
                await work(database)
            finally:
                await database.close()

        asyncio.run(inside())

    return run


async def put(database: Database, subject: str = "s", **more: Any) -> None:
    async with database.write() as work:
        await enqueue(work, "kind", subject, {"n": 1}, **more)


async def put_and_complete(database: Database, job: Job) -> None:
    async with database.write() as work:
        await enqueue(work, "effect", "of the first", {})
        await complete(work, job)


async def put_and_fail(database: Database) -> None:
    async with database.write() as work:
        await enqueue(work, "kind", "s", {})
        raise RuntimeError("no")


async def take(database: Database, owner: str = "one") -> Job | None:
    return await claim(database, "citizen", owner, LEASE)


def test_a_job_goes_to_one_worker_only(run: Callable[[Work], None]) -> None:
    async def work(database: Database) -> None:
        await put(database)
        claimed = await asyncio.gather(*(take(database, str(n)) for n in range(8)))
        assert [job.payload for job in claimed if job] == [{"n": 1}]

    run(work)


def test_a_worker_that_lost_its_lease_changes_nothing(run: Callable[[Work], None], clock: HandClock) -> None:
    async def work(database: Database) -> None:
        await put(database)
        first = await take(database)
        assert first is not None
        clock.go(seconds=11)
        second = await take(database, "two")
        assert second is not None
        assert (second.fence, second.crashes) == (2, 1)
        with pytest.raises(LeaseLostError):
            await renew(database, first, LEASE)
        with pytest.raises(LeaseLostError):
            await put_and_complete(database, first)
        async with database.write() as transaction:
            await complete(transaction, second)
        assert await take(database) is None, "the effect of the first worker was undone with its transaction"

    run(work)


def test_a_renewed_lease_keeps_the_job(run: Callable[[Work], None], clock: HandClock) -> None:
    async def work(database: Database) -> None:
        await put(database)
        job = await take(database)
        assert job is not None
        for _ in range(5):
            clock.go(seconds=8)
            await renew(database, job, LEASE)
            assert await take(database, "two") is None

    run(work)


def test_a_postponed_job_comes_back_when_its_time_has_come(run: Callable[[Work], None], clock: HandClock) -> None:
    async def work(database: Database) -> None:
        await put(database)
        job = await take(database)
        assert job is not None
        async with database.write() as transaction:
            await postpone(transaction, job, timedelta(seconds=5))
        assert await take(database) is None
        async with database.read() as connection:
            assert await next_time(connection, "citizen") == clock.now + timedelta(seconds=5)
        clock.go(seconds=5)
        again = await take(database)
        assert again is not None
        assert (again.attempts, again.crashes) == (2, 0)

    run(work)


def test_an_unfinished_job_of_the_same_key_is_not_added_twice(run: Callable[[Work], None]) -> None:
    async def work(database: Database) -> None:
        await put(database, key="k")
        await put(database, key="k")
        job = await take(database)
        assert job is not None
        assert await take(database) is None
        async with database.write() as transaction:
            await complete(transaction, job)
        await put(database, key="k")
        assert await take(database) is not None

    run(work)


def test_nothing_rings_when_the_transaction_fails(tmp_path: Path, clock: HandClock) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}"
    migrate(url)
    rung: list[str] = []

    async def work() -> None:
        database = Database(url, clock, lambda tier, _subject: rung.append(tier))
        with pytest.raises(RuntimeError, match="no"):
            await put_and_fail(database)
        assert rung == []
        await put(database)
        assert rung == ["worker"]
        await database.close()

    asyncio.run(work())


def test_the_bell_reaches_every_listener_of_a_tier_and_forgets_dead_ones(tmp_path: Path) -> None:
    async def work() -> None:
        deep = tmp_path / ("d" * 90)
        heard: list[str] = []
        listener, ringer = Bell(deep), Bell(deep)
        await listener.listen("web", heard.append)
        (deep / "web-dead").touch()
        ringer.ring("web", "signing")
        ringer.ring("worker", "other tier")
        for _ in range(100):
            await asyncio.sleep(0.01)
            if heard:
                break
        assert heard == ["signing"]
        assert not (deep / "web-dead").exists()
        listener.close()
        ringer.ring("web", "nobody listens")
        ringer.close()

    asyncio.run(work())
