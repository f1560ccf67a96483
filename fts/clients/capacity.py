"""Capacity per client and operation (FTS-SEAL-4, FTS-TS-4): a rate with bursts, and a volume a day.

The truth is one row per client and operation, so that all processes together keep to it. A process draws one admission
at a time, and small portions while requests come fast: what it has drawn it hands out without the database.
"""

import asyncio
import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.clients.definition import OPERATIONS, Capacity, Operation
from fts.clients.models import usage as table
from fts.clients.service import Client
from fts.db.database import Database, Work
from fts.db.inserting import insert_into
from fts.problems import ProblemError
from timestamping.clock import Clock

_EPOCH: Final = date(1970, 1, 1)
_FAST_SECONDS: Final = 1.0
"""A process that draws again within this time draws more."""
_MOST_PORTION: Final = 50
_MOST_WALLETS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was granted: some admissions, or none until `again_at`."""

    granted: int
    again_at: datetime


@dataclass(slots=True)
class _Wallet:
    left: int = 0
    day: int = -1
    portion: int = 1
    drawn_at: float = -math.inf
    refused_until: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    why: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Admissions:
    """What one process may let in."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._wallets: dict[tuple[str, Operation], _Wallet] = {}

    async def admit(self, client: Client, operation: Operation) -> None:
        """Count one request.

        Raises:
            ProblemError: CAPACITY_EXCEEDED, with the seconds to wait.
        """
        wallet = self._wallet(client.id, operation)
        async with wallet.lock:
            now = self._clock()
            if wallet.left and wallet.day == _day(now):
                wallet.left -= 1
                return
            if now < wallet.refused_until:
                raise _exceeded(operation, wallet.refused_until - now, wallet.why)
            agreed = client.definition.agreed(operation)
            await self._draw(wallet, client.id, operation, agreed)
            if not wallet.left:
                raise _exceeded(operation, wallet.refused_until - now, wallet.why)
            wallet.left -= 1

    async def _draw(self, wallet: _Wallet, client_id: str, operation: Operation, agreed: Capacity) -> None:
        moment = asyncio.get_running_loop().time()
        fast = moment - wallet.drawn_at < _FAST_SECONDS
        most = max(1, min(agreed.burst // 10, _MOST_PORTION))
        wallet.portion = min(wallet.portion * 2, most) if fast else 1
        wallet.drawn_at = moment
        async with self._database.write() as work:
            drawn = await draw(work, client_id, operation, agreed, wallet.portion)
            wallet.day = _day(work.now)
        wallet.left = drawn.granted
        if not drawn.granted:
            wallet.refused_until = drawn.again_at
            day_over = drawn.again_at.time() == datetime.min.time()
            wallet.why = f"{agreed.per_day} a day" if day_over else f"{agreed.per_minute} a minute"

    def _wallet(self, client_id: str, operation: Operation) -> _Wallet:
        if len(self._wallets) >= _MOST_WALLETS:
            self._wallets.clear()
        return self._wallets.setdefault((client_id, operation), _Wallet())


async def draw(work: Work, client_id: str, operation: Operation, agreed: Capacity, wanted: int) -> Drawn:
    """Take up to `wanted` admissions from the row of a client and operation.

    The rate is a generic cell rate algorithm: an admission costs 60/per_minute seconds, `burst` of them are there
    at once.
    """
    row = await _row(work, client_id, operation)
    today, cost = _day(work.now), timedelta(minutes=1) / agreed.per_minute
    count = row["count"] if row["day"] == today else 0
    owed = max(row["full_at"] - work.now, timedelta())
    available = int((agreed.burst * cost - owed) / cost + 1e-9)
    granted = max(0, min(wanted, available, agreed.per_day - count))
    if not granted:
        if count >= agreed.per_day:
            return Drawn(0, _midnight(today + 1))
        return Drawn(0, work.now + owed - (agreed.burst - 1) * cost)
    values = {
        "day": today,
        "count": count + granted,
        "octets": row["octets"] if row["day"] == today else 0,
        "full_at": max(row["full_at"], work.now) + granted * cost,
    }
    await _change(work, client_id, operation, values)
    return Drawn(granted, work.now)


async def spend_octets(work: Work, client: Client, octets: int) -> None:
    """Count the octets of an upload.

    Raises:
        ProblemError: CAPACITY_EXCEEDED.
    """
    row = await _row(work, client.id, "upload")
    today, most = _day(work.now), client.definition.agreed("upload").bytes_per_day
    used = row["octets"] if row["day"] == today else 0
    if most is not None and used + octets > most:
        wait = _midnight(today + 1) - work.now
        raise _exceeded("upload", wait, f"{most} octets a day, of which {used} are used")
    count = row["count"] if row["day"] == today else 0
    await _change(work, client.id, "upload", {"day": today, "count": count, "octets": used + octets})


@dataclass(frozen=True, slots=True)
class Usage:
    """What a client used of an operation today."""

    operation: Operation
    agreed: Capacity
    count: int
    octets: int
    available: int
    """How many would be let in at once, now."""


async def used(connection: AsyncConnection, client: Client, now: datetime) -> list[Usage]:
    """Return what a client used of each operation, since midnight UTC."""
    rows = {
        row["operation"]: row
        for row in (await connection.execute(select(table).where(table.c.client_id == client.id))).mappings()
    }
    found = []
    for operation in OPERATIONS:
        agreed, row = client.definition.agreed(operation), rows.get(operation)
        today = row is not None and row["day"] == _day(now)
        count, octets = (row["count"], row["octets"]) if row is not None and today else (0, 0)
        cost = timedelta(minutes=1) / agreed.per_minute
        owed = timedelta() if row is None else max(row["full_at"] - now, timedelta())
        available = int((agreed.burst * cost - owed) / cost + 1e-9)
        found.append(Usage(operation, agreed, count, octets, max(0, min(available, agreed.per_day - count))))
    return found


async def _row(work: Work, client_id: str, operation: Operation) -> RowMapping:
    """Return the row, locked, made if it is missing."""
    statement = select(table).where(table.c.client_id == client_id, table.c.operation == operation).with_for_update()
    row = (await work.connection.execute(statement)).mappings().one_or_none()
    if row is None:
        values = {
            "client_id": client_id,
            "operation": operation,
            "day": _day(work.now),
            "count": 0,
            "octets": 0,
            "full_at": work.now,
        }
        await work.connection.execute(insert_into(work, table).values(**values).on_conflict_do_nothing())
        row = (await work.connection.execute(statement)).mappings().one()
    return row


async def _change(work: Work, client_id: str, operation: Operation, values: dict[str, Any]) -> None:
    await work.connection.execute(
        update(table).where(table.c.client_id == client_id, table.c.operation == operation).values(**values)
    )


def _day(now: datetime) -> int:
    return (now.astimezone(UTC).date() - _EPOCH).days


def _midnight(day: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)


def _exceeded(operation: Operation, wait: timedelta, why: str) -> ProblemError:
    seconds = max(1, math.ceil(wait.total_seconds()))
    return ProblemError("CAPACITY_EXCEEDED", f"{operation}: {why} are agreed", retry_after=seconds)
