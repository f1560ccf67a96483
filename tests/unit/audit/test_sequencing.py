"""Events become a chain without gaps, whoever sequences and whatever is interrupted (FTS-AUD-2)."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from fts.audit.chain import FIRST, LATE, event_hash, lag, link, plain_event, sequence
from fts.audit.checkpoints import MOST, anchor, checkpoint, newest, tokens_of
from fts.audit.models import chain, event
from fts.audit.sequencer import Pace, sequence_forever
from fts.audit.service import Actor, record
from fts.db.database import Database
from tests.unit.audit.conftest import Place, links, write
from tests.unit.timestamping.units import Unit, make_unit
from timestamping.algorithms import DigestAlgorithm
from timestamping.ports import TimestampInvalidError, TimestampUnavailableError
from timestamping.request import TimestampRequest

QUICK = Pace(look=0.02, gather=0, batch=5, checkpoint=0, retry=0.01)


async def drain(database: Database, most: int = 1000) -> int:
    total = 0
    while count := await sequence(database, most):
        total += count
    return total


def stamps(unit: Unit) -> Callable[[bytes, DigestAlgorithm], Awaitable[bytes]]:
    async def timestamp(imprint: bytes, algorithm: DigestAlgorithm) -> bytes:
        request = TimestampRequest(1, algorithm.oid, imprint, None, None, cert_req=True, has_extensions=False)
        return unit.factory.token(request, algorithm, unit.tsu.certificate.not_valid_before_utc)

    return timestamp


def test_the_hash_is_the_one_that_is_described() -> None:
    value = hashlib.sha256(b"event").digest()
    first = hashlib.sha256(b"fts-chain-1" + b"\0\0\0\0\0\0\0\x01" + bytes(32) + value).digest()
    assert link(1, FIRST, value) == first
    assert link(2, first, value) == hashlib.sha256(b"fts-chain-1" + b"\0\0\0\0\0\0\0\x02" + first + value).digest()


def test_every_event_is_chained_once_and_in_order(place: Place) -> None:
    async def work(database: Database) -> None:
        await write(database, 23)
        assert [await sequence(database, 10) for _ in range(4)] == [10, 10, 3, 0]
        assert await links(database) == [(n, n) for n in range(1, 24)]
        async with database.read() as connection:
            joined = select(chain.c.hash, *event.c).join(event, event.c.id == chain.c.event_id)
            rows = (await connection.execute(joined.order_by(chain.c.seq))).all()
        previous = FIRST
        for number, row in enumerate(rows, 1):
            value, *header = tuple[Any, ...](row)
            previous = link(number, previous, event_hash(plain_event(header)))
            assert value == previous

    place.run(work)


def test_ids_that_were_never_committed_are_no_gap(place: Place) -> None:
    async def work(database: Database) -> None:
        await write(database, 1)
        with suppress(ZeroDivisionError):
            async with database.write() as transaction:
                await record(transaction, "test.undone", Actor.system())
                raise ZeroDivisionError
        await write(database, 1)
        await drain(database)
        assert [seq for seq, _ in await links(database)] == [1, 2]

    place.run(work)


def test_two_sequencers_make_one_chain(place: Place) -> None:
    """Case L-2: they wait for each other, and nothing is chained twice."""

    async def work(database: Database) -> None:
        await write(database, 60)
        others = [database, place.open(), place.open()]
        try:
            counts = await asyncio.gather(*(sequence(each, 7) for each in others * 6))
        finally:
            for other in others[1:]:
                await other.close()
        assert sum(counts) == 60
        assert await links(database) == [(n, n) for n in range(1, 61)]

    place.run(work)


def test_a_sequencer_that_dies_leaves_nothing_half_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case L-2: what its transaction did is undone."""

    async def work(database: Database) -> None:
        await write(database, 9)
        await sequence(database, 4)
        calls = iter(range(3))

        def dying(*arguments: object) -> bytes:
            next(calls)
            return event_hash(*arguments)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr("fts.audit.chain.event_hash", dying)
            with pytest.raises(RuntimeError, match="StopIteration"):
                await sequence(database)
        assert len(await links(database)) == 4
        assert await drain(database) == 5

    place.run(work)


def test_a_second_row_of_an_event_is_refused(place: Place) -> None:
    async def work(database: Database) -> None:
        await write(database, 2)
        await drain(database)
        for values in ({"seq": 3, "event_id": 2}, {"seq": 2, "event_id": 3}):
            with pytest.raises(IntegrityError):
                async with database.write() as transaction:
                    await transaction.connection.execute(insert(chain).values(**values, hash=bytes(32)))

    place.run(work)


def test_the_age_of_what_is_not_chained(place: Place) -> None:
    async def work(database: Database) -> None:
        assert await lag(database, place.now) == timedelta()
        await write(database, 1)
        place.go(seconds=7)
        await write(database, 1)
        assert await lag(database, place.now) == timedelta(seconds=7)
        assert await lag(database, place.now - timedelta(minutes=1)) == timedelta()
        await sequence(database, 1)
        assert await lag(database, place.now) == timedelta()
        await sequence(database)
        assert await lag(database, place.now + timedelta(hours=1)) == timedelta()

    place.run(work)


def test_an_event_that_is_committed_late_is_found(on_postgresql: Place) -> None:
    """Its id is smaller than those that are chained already."""
    place = on_postgresql

    async def work(database: Database) -> None:
        await write(database, 2)
        async with database.write() as slow:
            await record(slow, "test.slow", Actor.system())
            await write(database, 2)
            assert await drain(database) == 4
            assert await checkpoint(database)
        assert await lag(database, place.now + timedelta(seconds=5)) == timedelta(seconds=5)
        assert await drain(database) == 1
        assert await links(database) == [(1, 1), (2, 2), (3, 4), (4, 5), (5, 3)]

    place.run(work)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_late_event_survives_a_sequencer_that_stood_still(on_postgresql: Place, restarted: bool) -> None:
    """A checkpoint is a bound only when something recorded `LATE` after it is chained."""
    place = on_postgresql

    async def work(database: Database) -> None:
        await write(database, 1)
        async with database.write() as slow:
            await record(slow, "test.slow", Actor.system())
            await write(database, 1)
            await drain(database)
            await checkpoint(database)
        place.now += 2 * LATE
        if restarted:
            await write(database, 3)
        assert await drain(database, 1) == 1 + 3 * restarted
        assert sorted(event_id for _, event_id in await links(database)) == list(range(1, 4 + 3 * restarted))

    place.run(work)


def test_the_old_part_of_the_trail_is_not_looked_at(on_postgresql: Place) -> None:
    """Below the id of a checkpoint that is old enough nothing can appear any more."""
    place = on_postgresql

    async def work(database: Database) -> None:
        await write(database, 1)
        with suppress(ZeroDivisionError):
            async with database.write() as transaction:
                await record(transaction, "test.undone", Actor.system())
                raise ZeroDivisionError
        await write(database, 1)
        await drain(database)
        await checkpoint(database)
        place.now += LATE
        await write(database, 1)
        await drain(database)
        async with database.write() as transaction:
            values = {"at": place.now, "kind": "test.forged", "actor": "system", "data": {}}
            await transaction.connection.execute(insert(event).values(id=2, **values))
        assert await drain(database) == 0

    place.run(work)


def test_checkpoints_cover_everything_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fts.audit.checkpoints.MOST", 4)

    async def work(database: Database) -> None:
        assert not await checkpoint(database)
        await write(database, 10)
        await drain(database)
        assert [await checkpoint(database, "sha512") for _ in range(4)] == [True, True, True, False]
        async with database.read() as connection:
            last = await newest(connection)
        assert last is not None
        assert (last.number, last.first_seq, last.last_seq, last.last_event_id) == (3, 9, 10, 10)
        assert last.digest == last.computed()
        assert type(last).from_json(last.to_json()) == last
        with pytest.raises(ValueError, match="digest"):
            type(last).from_json(replace(last, last_seq=11).to_json())
        with pytest.raises(ValueError, match="no checkpoint"):
            type(last).from_json({"number": 1})

    assert MOST == 10_000
    place.run(work)


def test_two_that_anchor_keep_one_token(place: Place) -> None:
    timestamp = stamps(make_unit())

    async def work(database: Database) -> None:
        await write(database, 1)
        await drain(database)
        await checkpoint(database)
        assert sum(await asyncio.gather(anchor(database, timestamp), anchor(database, timestamp))) == 1
        async with database.read() as connection:
            assert len(await tokens_of(connection, 1)) == 1

    place.run(work)


def test_a_token_over_something_else_is_not_kept(on_sqlite: Place) -> None:
    right = stamps(make_unit())

    async def wrong(imprint: bytes, algorithm: DigestAlgorithm) -> bytes:
        return await right(algorithm.digest(imprint), algorithm)

    async def work(database: Database) -> None:
        await write(database, 1)
        await drain(database)
        await checkpoint(database)
        with pytest.raises(TimestampInvalidError):
            await anchor(database, wrong)
        async with database.read() as connection:
            assert await tokens_of(connection, 1) == []

    on_sqlite.run(work)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(2000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def test_an_authority_that_fails_holds_up_nothing(place: Place) -> None:
    """Case L-5: the chain goes on, and the checkpoints get their tokens when the authority is back."""
    right = stamps(make_unit())
    down = True
    asked = 0

    async def timestamp(imprint: bytes, algorithm: DigestAlgorithm) -> bytes:
        nonlocal asked
        asked += 1
        if down:
            raise TimestampUnavailableError("down", party="authority")
        return await right(imprint, algorithm)

    async def work(database: Database) -> None:
        nonlocal down
        wake = asyncio.Event()
        running = asyncio.create_task(
            sequence_forever(database, timestamp, lambda: place.now, wake, pace=replace(QUICK, longest_retry=0.05))
        )

        async def chained(count: int) -> bool:
            return len(await links(database)) == count

        async def anchored() -> bool:
            async with database.read() as connection:
                last = await newest(connection)
                return last is not None and last.last_seq == 24 and bool(await tokens_of(connection, last.number))

        try:
            await write(database, 12)
            await until(lambda: chained(12))
            await until(lambda: _true(asked > 2))
            await write(database, 12)
            wake.set()
            await until(lambda: chained(24))
            assert not await anchored()
            down = False
            await until(anchored)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    place.run(work)


async def _true(value: bool) -> bool:
    return value


def test_a_database_that_fails_is_tried_again(on_sqlite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case L-5."""
    failures = iter([True, True])

    async def failing(database: Database, most: int) -> int:
        if next(failures, False):
            raise OSError("disk full")
        return await sequence(database, most)

    async def nobody(_imprint: bytes, _algorithm: DigestAlgorithm) -> bytes:
        raise TimestampUnavailableError("down", party="authority")

    monkeypatch.setattr("fts.audit.sequencer.sequence", failing)

    async def work(database: Database) -> None:
        await write(database, 3)
        running = asyncio.create_task(
            sequence_forever(database, nobody, lambda: on_sqlite.now, asyncio.Event(), pace=QUICK)
        )

        async def done() -> bool:
            return len(await links(database)) == 3

        try:
            await until(done)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    on_sqlite.run(work)
