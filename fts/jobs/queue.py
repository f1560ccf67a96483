"""Enqueueing, claiming and completing jobs. One claim path for every driver.

A worker owns a job by a lease with a fencing number. What a job does and that it is done are one transaction, which
fails when the fence has moved on: a worker that lost its lease changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import and_, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.db.database import Database, Work
from fts.db.inserting import insert_into
from fts.jobs.models import job as table

Queue = Literal["citizen", "intake", "outbound"]
"""Signatures that a person waits for; reading documents that somebody uploaded; calls to clients' servers.

Each has slots of its own in every worker, so that documents that take long to read keep nobody from signing.
"""


class LeaseLostError(RuntimeError):
    """The job belongs to another worker by now, or is done."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job."""

    id: int
    kind: str
    subject: str
    queue: Queue
    payload: dict[str, Any]
    attempts: int
    """Claims so far, this one included."""
    crashes: int
    """How often it ended unforeseen: its worker died, or an error that nobody planned for."""
    fence: int
    created_at: datetime
    client_id: str
    """Empty where it is no client's."""


async def enqueue(
    work: Work,
    kind: str,
    subject: str,
    payload: dict[str, Any],
    *,
    client_id: str,
    queue: Queue = "citizen",
    run_at: datetime | None = None,
    key: str | None = None,
) -> None:
    """Add a job in this transaction; nothing is added where an unfinished one has the same `key`.

    Its turn makes the queue fair (start-time fair queueing): one after the last of its client, but not before the turn
    that is being served. A client with many jobs waits for its own.
    """
    last = select(func.max(table.c.turn)).where(
        table.c.client_id == client_id, table.c.queue == queue, table.c.state.in_(("ready", "leased"))
    )
    served = select(func.min(table.c.turn)).where(table.c.queue == queue, table.c.state == "ready")
    own, now_served = (await work.connection.execute(select(last.scalar_subquery(), served.scalar_subquery()))).one()
    await work.connection.execute(
        insert_into(work, table)
        .values(
            kind=kind,
            subject=subject,
            client_id=client_id,
            queue=queue,
            turn=max(-1 if own is None else own, (now_served or 0) - 1) + 1,
            payload=payload,
            key=key,
            state="ready",
            run_at=run_at or work.now,
            attempts=0,
            crashes=0,
            fence=0,
            created_at=work.now,
        )
        .on_conflict_do_nothing(index_elements=["key"])
    )
    work.tell("worker", queue)


async def claim(database: Database, queue: Queue, owner: str, lease: timedelta) -> Job | None:
    """Take the next job of a queue whose time has come, or whose worker gave no sign of life."""
    async with database.write() as work:
        due = or_(
            and_(table.c.state == "ready", table.c.run_at <= work.now),
            and_(table.c.state == "leased", table.c.lease_until < work.now),
        )
        following = (
            select(table.c.id)
            .where(table.c.queue == queue, due)
            .order_by(table.c.turn, table.c.run_at, table.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        row = (
            await work.connection.execute(
                update(table)
                .where(table.c.id == following)
                .values(
                    state="leased",
                    owner=owner,
                    lease_until=work.now + lease,
                    fence=table.c.fence + 1,
                    attempts=table.c.attempts + 1,
                    crashes=table.c.crashes + case((table.c.state == "leased", 1), else_=0),
                )
                .returning(
                    table.c.id,
                    table.c.kind,
                    table.c.subject,
                    table.c.queue,
                    table.c.payload,
                    table.c.attempts,
                    table.c.crashes,
                    table.c.fence,
                    table.c.created_at,
                    table.c.client_id,
                )
            )
        ).one_or_none()
        return None if row is None else Job(*row)


async def next_time(connection: AsyncConnection, queue: Queue) -> datetime | None:
    """Return when the next job of a queue is due, or the next lease ends; None where there is none."""
    moment = func.min(func.coalesce(table.c.lease_until, table.c.run_at))
    statement = select(moment).where(table.c.queue == queue, table.c.state.in_(("ready", "leased")))
    found: datetime | None = (await connection.execute(statement)).scalar_one()
    return found


async def renew(database: Database, job: Job, lease: timedelta) -> None:
    """Extend the lease.

    Raises:
        LeaseLostError: the job is another worker's.
    """
    async with database.write() as work:
        await _change(work, job, lease_until=work.now + lease)


async def complete(work: Work, job: Job) -> None:
    """Mark the job done, in the transaction of what it did.

    Raises:
        LeaseLostError: the job is another worker's.
    """
    await _change(work, job, state="done", finished_at=work.now, key=None, lease_until=None, payload={})


async def postpone(work: Work, job: Job, pause: timedelta, *, crashed: bool = False) -> None:
    """Give the job back, to be tried again after a pause; `crashed` counts against it.

    Raises:
        LeaseLostError: the job is another worker's.
    """
    values = {"state": "ready", "run_at": work.now + pause, "lease_until": None, "crashes": job.crashes + crashed}
    await _change(work, job, **values)
    work.tell("worker", job.queue)


async def forget_finished(work: Work, age: timedelta) -> None:
    """Remove jobs that were done longer ago than `age`."""
    await work.connection.execute(delete(table).where(table.c.state == "done", table.c.finished_at < work.now - age))


async def _change(work: Work, job: Job, **values: Any) -> None:
    result = await work.connection.execute(
        update(table)
        .where(table.c.id == job.id, table.c.fence == job.fence, table.c.state == "leased")
        .values(**values)
    )
    if result.rowcount != 1:
        raise LeaseLostError(f"the job {job.id} belongs to another worker")
