"""Jobs: leases, fencing, and that nothing is done twice with effect; on both databases."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fts.db.database import Database
from fts.db.migrate import migrate
from fts.jobs.bell import Bell
from fts.jobs.queue import Job, LeaseLostError, claim, complete, enqueue, next_time, postpone, renew
from fts.keyring import Keyring
from tests.support.postgres import Postgres, postgres

KEYRING = Keyring(bytes(32))
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}"
    server: Postgres = request.getfixturevalue("server")
    return server.create().url


@pytest.fixture
def run(url: str, clock: HandClock) -> Callable[[Work], None]:
    """Run a coroutine over a fresh database."""
    migrate(url)

    def run(work: Work) -> None:
        async def inside() -> None:
            database = Database(url, clock, KEYRING)
            try:
                await work(database)
            finally:
                await database.close()

        asyncio.run(inside())

    return run


async def put(database: Database, subject: str = "s", client_id: str = "c", **more: Any) -> None:
    async with database.write() as work:
        await enqueue(work, "kind", subject, {"n": 1}, client_id=client_id, **more)


async def put_and_complete(database: Database, job: Job) -> None:
    async with database.write() as work:
        await enqueue(work, "effect", "of the first", {}, client_id="c")
        await complete(work, job)


async def put_and_fail(database: Database) -> None:
    async with database.write() as work:
        await enqueue(work, "kind", "s", {}, client_id="c")
        raise RuntimeError("no")


async def take(database: Database, owner: str = "one") -> Job | None:
    return await claim(database, "citizen", owner, LEASE)


def test_a_job_goes_to_one_worker_only(run: Callable[[Work], None]) -> None:
    async def work(database: Database) -> None:
        await put(database)
        claimed = await asyncio.gather(*(take(database, str(n)) for n in range(8)))
        assert [job.payload for job in claimed if job] == [{"n": 1}]

    run(work)


def test_concurrent_workers_get_each_job_once(run: Callable[[Work], None]) -> None:
    async def work(database: Database) -> None:
        async def drain(owner: str) -> list[str]:
            found = []
            while (job := await take(database, owner)) is not None:
                found.append(job.subject)
            return found

        subjects = [f"s{n}" for n in range(40)]
        for subject in subjects:
            await put(database, subject)
        taken = await asyncio.gather(*(drain(str(n)) for n in range(8)))
        assert sorted(subject for found in taken for subject in found) == sorted(subjects)

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


def test_nothing_rings_when_the_transaction_fails(url: str, clock: HandClock) -> None:
    migrate(url)
    rung: list[str] = []

    async def work() -> None:
        database = Database(url, clock, KEYRING, lambda tier, _subject: rung.append(tier))
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


def test_a_client_with_many_jobs_keeps_nobody_waiting(run: Callable[[Work], None]) -> None:
    """Case A-8: queues are fair; whoever comes later does not wait for another's thousand."""

    async def work(database: Database) -> None:
        for number in range(100):
            await put(database, f"noisy {number}", client_id="noisy")
        served = [await taken(database) for _ in range(3)]
        assert [job.client_id for job in served] == ["noisy"] * 3
        for number in range(3):
            await put(database, f"calm {number}", client_id="calm")
        await put(database, "late 0", client_id="late")
        order = [(await taken(database)).client_id for _ in range(12)]
        assert order.index("calm") <= 1
        assert order.index("late") <= 2
        assert [n for n, client in enumerate(order) if client == "calm"][-1] <= 8, order
        assert order.count("noisy") == 8

    run(work)


async def taken(database: Database) -> Job:
    job = await claim(database, "citizen", "worker", LEASE)
    assert job is not None
    return job
