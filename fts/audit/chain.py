"""The hash chain over the events (FTS-AUD-2): each link holds the one before it and the hash of its event.

hash_n = SHA-256("fts-chain-1" || n as 8 octets, big-endian || hash_(n-1) || SHA-256(canonical header of the event)),
with 32 zero octets before the first. Whoever writes events never waits for the chain: a sequencer appends to it.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, exists, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.models import chain, checkpoint, event
from fts.audit.service import Event, canonical
from fts.db.database import Database

FIRST: Final = bytes(32)
"""What stands before the first link."""
LATE: Final = timedelta(minutes=10)
"""Longer than a transaction can last: until then an event with a smaller id may still appear (PostgreSQL)."""

_TAG: Final = b"fts-chain-1"
_LOCK: Final = 0x66747301
"""Held on PostgreSQL by whoever appends to the chain or to the checkpoints."""


def event_hash(of: Event) -> bytes:
    """Return what the chain holds of an event: SHA-256 of its canonical header."""
    return hashlib.sha256(canonical(of.header())).digest()


def link(seq: int, previous: bytes, hash_of_event: bytes) -> bytes:
    """Return the hash of a link, from its number, the hash before it and the hash of its event."""
    return hashlib.sha256(_TAG + seq.to_bytes(8, "big") + previous + hash_of_event).digest()


def plain_event(header: Sequence[Any]) -> Event:
    """Return the event whose header was read by the columns of its table, without its personal part."""
    values: tuple[Any, ...] = (*header, None, None)
    return Event(*values)


async def sequence(database: Database, most: int = 1000) -> int:
    """Append the next events, at most `most`, in the order of their ids; return how many there were.

    One transaction; two sequencers wait for each other and never fork the chain.
    """
    async with database.write() as work:
        connection = work.connection
        await exclusive(connection)
        newest = select(chain.c.seq, chain.c.hash).order_by(chain.c.seq.desc()).limit(1)
        head = (await connection.execute(newest)).one_or_none()
        seq, previous = (0, FIRST) if head is None else (head.seq, head.hash)
        links: list[dict[str, Any]] = []
        for row in await _unchained(connection, tuple(event.c), most):
            of = plain_event(row)
            seq += 1
            previous = link(seq, previous, event_hash(of))
            links.append({"seq": seq, "event_id": of.id, "hash": previous})
        if links:
            await connection.execute(insert(chain), links)
    return len(links)


async def lag(database: Database, now: datetime) -> timedelta:
    """Return the age of the oldest event that is not chained; zero where all are."""
    async with database.read() as connection:
        oldest = await _unchained(connection, (event.c.at,), 1)
    return max(now - oldest[0].at, timedelta()) if oldest else timedelta()


async def exclusive(connection: AsyncConnection) -> None:
    """Keep other sequencers out until the end of the transaction; on SQLite there is one writer anyway."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


async def _unchained(
    connection: AsyncConnection, columns: Sequence[ColumnElement[Any]], most: int
) -> Sequence[Row[Any]]:
    """Return the first events that are not chained: those committed late, then those behind the newest chained one."""
    by_id = select(chain.c.event_id).order_by(chain.c.event_id.desc()).limit(1)
    newest = (await connection.execute(by_id)).scalar_one_or_none() or 0
    found: list[Row[Any]] = []
    if connection.dialect.name == "postgresql":
        floor = await _floor(connection)
        # the bounds on the chain's side keep the join off the old part of its index
        chained = and_(chain.c.event_id == event.c.id, chain.c.event_id > floor, chain.c.event_id < newest)
        late = select(*columns).where(event.c.id > floor, event.c.id < newest, ~exists().where(chained))
        found += await connection.execute(late.order_by(event.c.id).limit(most))
    behind = select(*columns).where(event.c.id > newest).order_by(event.c.id).limit(most - len(found))
    return found + list(await connection.execute(behind))


async def _floor(connection: AsyncConnection) -> int:
    """Return an id below which every event is chained.

    An event that was recorded at `seen` is chained, and smaller ids are chained first. All ids up to that of a
    checkpoint were given out when it was made; if that was `LATE` before `seen`, they were committed and found.
    """
    seen = select(event.c.at).join(chain, chain.c.event_id == event.c.id).order_by(chain.c.seq.desc()).limit(1)
    at = (await connection.execute(seen)).scalar_one_or_none()
    if at is None:
        return 0
    before = select(checkpoint.c.last_event_id).where(checkpoint.c.at <= at - LATE)
    settled = await connection.execute(before.order_by(checkpoint.c.number.desc()).limit(1))
    return settled.scalar_one_or_none() or 0
