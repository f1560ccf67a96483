"""Capacity per client and operation: FTS-SEAL-4, FTS-TS-4."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fts.clients.capacity import Admissions, draw, spend_octets, used
from fts.clients.definition import Definition
from fts.clients.service import Client, find
from fts.problems import ProblemError
from tests.support.embedded import Embedded, HandClock, embedded

SMALL = {"per_minute": 60, "burst": 10, "per_day": 25, "bytes_per_day": 1000}
Case = Callable[[Embedded, HandClock, Client], Awaitable[None]]


def run(tmp_path: Path, case: Case) -> None:
    clock = HandClock()

    async def work() -> None:
        async with embedded(tmp_path, clock) as gateway:
            await gateway.register("town", capacity={"upload": SMALL})
            async with gateway.services.database.read() as connection:
                client = await find(connection, "town")
            assert client is not None
            await case(gateway, clock, client)

    asyncio.run(work())


async def admitted(admissions: Admissions, client: Client, times: int) -> int:
    count = 0
    for _ in range(times):
        try:
            await admissions.admit(client, "upload")
        except ProblemError as refused:
            if (refused.problem.code, refused.problem.status) != ("CAPACITY_EXCEEDED", 429):
                raise
        else:
            count += 1
    return count


def test_a_burst_then_the_rate(tmp_path: Path) -> None:
    async def case(gateway: Embedded, clock: HandClock, client: Client) -> None:
        admissions = Admissions(gateway.services.database, clock)
        assert await admitted(admissions, client, 50) == 10
        clock.go(seconds=0.9)
        assert await admitted(admissions, client, 50) == 0
        clock.go(seconds=0.1)
        assert await admitted(admissions, client, 50) == 1, "one a second"
        clock.go(seconds=5)
        assert await admitted(admissions, client, 50) == 5

    run(tmp_path, case)


def test_the_time_to_wait_is_true(tmp_path: Path) -> None:
    async def case(gateway: Embedded, clock: HandClock, client: Client) -> None:
        admissions = Admissions(gateway.services.database, clock)
        await admitted(admissions, client, 10)
        with pytest.raises(ProblemError) as refused:
            await admissions.admit(client, "upload")
        assert refused.value.more["retry_after"] == 1
        clock.go(seconds=1)
        await admissions.admit(client, "upload")

    run(tmp_path, case)


def test_a_day_has_its_volume_and_a_new_day_a_new_one(tmp_path: Path) -> None:
    async def case(gateway: Embedded, clock: HandClock, client: Client) -> None:
        admissions, count = Admissions(gateway.services.database, clock), 0
        for _ in range(10):
            count += await admitted(admissions, client, 20)
            clock.go(minutes=1)
        assert count == 25
        with pytest.raises(ProblemError) as refused:
            await admissions.admit(client, "upload")
        left = 24 * 3600 - (clock.now.hour * 3600 + clock.now.minute * 60)
        assert refused.value.more["retry_after"] == left
        clock.go(seconds=left)
        assert await admitted(admissions, client, 20) == 10

    run(tmp_path, case)


def test_all_processes_together_keep_to_it(tmp_path: Path) -> None:
    async def case(gateway: Embedded, clock: HandClock, client: Client) -> None:
        processes = [Admissions(gateway.services.database, clock) for _ in range(4)]
        counts = await asyncio.gather(*(admitted(one, client, 30) for one in processes))
        assert sum(counts) == 10

    run(tmp_path, case)


def test_refusals_ask_the_database_once(tmp_path: Path) -> None:
    """Case A-8: a noisy client costs nothing."""

    async def case(gateway: Embedded, clock: HandClock, client: Client) -> None:
        admissions = Admissions(gateway.services.database, clock)
        await admitted(admissions, client, 11)
        await gateway.services.database.close()
        original, gateway.services.database.write = gateway.services.database.write, _unexpected  # type: ignore[assignment, method-assign]
        assert await admitted(admissions, client, 1000) == 0
        gateway.services.database.write = original  # type: ignore[method-assign]

    run(tmp_path, case)


def _unexpected() -> None:
    raise AssertionError("the database was asked")


def test_octets_of_a_day(tmp_path: Path) -> None:
    async def case(gateway: Embedded, clock: HandClock, client: Client) -> None:
        database = gateway.services.database
        async with database.write() as work:
            await spend_octets(work, client, 1000)
        with pytest.raises(ProblemError, match="1000 are used"):
            async with database.write() as work:
                await spend_octets(work, client, 1)
        clock.go(days=1)
        async with database.write() as work:
            await spend_octets(work, client, 1000)

    run(tmp_path, case)


def test_usage_shows_what_was_used(tmp_path: Path) -> None:
    async def case(gateway: Embedded, clock: HandClock, client: Client) -> None:
        database = gateway.services.database
        async with database.write() as work:
            assert (await draw(work, client.id, "upload", client.definition.agreed("upload"), 3)).granted == 3
            await spend_octets(work, client, 77)
        async with database.read() as connection:
            [upload] = [one for one in await used(connection, client, clock()) if one.operation == "upload"]
        assert (upload.count, upload.octets, upload.available) == (3, 77, 7)

    run(tmp_path, case)


def test_one_clients_use_is_not_anothers(tmp_path: Path) -> None:
    async def case(gateway: Embedded, clock: HandClock, client: Client) -> None:
        await gateway.register("other", capacity={"upload": SMALL})
        values = client.definition.model_dump(mode="json")
        other = Client("other", Definition.model_validate({**values, "id": "other", "bucket": "other"}))
        admissions = Admissions(gateway.services.database, clock)
        await admitted(admissions, client, 50)
        assert await admitted(admissions, other, 50) == 10

    run(tmp_path, case)
