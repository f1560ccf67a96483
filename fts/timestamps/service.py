"""Timestamps over hashes: capacity, token, verification, record (FTS-TS-3, FTS-TS-4, FTS-AUD-1)."""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from typing import Final

from fts.audit.service import Actor, record
from fts.clients.capacity import draw
from fts.clients.service import Client
from fts.problems import ProblemError
from fts.services import Services
from fts.timestamps.stamper import Stamped, Stamper
from timestamping.authority.ports import Caller
from timestamping.ports import TimestampError
from timestamping.request import TimestampRequest

_AT_ONCE: Final = 8
"""Items of a batch that are under way at the same time."""

Outcome = Stamped | ProblemError


async def stamp(
    services: Services, stamper: Stamper, client: Client, actor: Actor, request: TimestampRequest
) -> Stamped:
    """Return a verified and recorded token.

    Raises:
        ProblemError: why there is none (see `Stamper`).
    """
    outcome = await _tried(stamper, client, actor, request)
    if isinstance(outcome, ProblemError):
        raise outcome
    await _record(services, client, actor, [outcome])
    return outcome


async def stamp_batch(
    services: Services, stamper: Stamper, client: Client, actor: Actor, requests: Sequence[TimestampRequest]
) -> list[Outcome]:
    """Return what became of each request; every one counts against the capacity, the first has done so at the door."""
    granted, refusal = await _granted(services, client, len(requests) - 1)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(request: TimestampRequest) -> Outcome:
        async with slots:
            return await _tried(stamper, client, actor, request)

    outcomes = list(await asyncio.gather(*(one(request) for request in requests[: granted + 1])))
    await _record(services, client, actor, [outcome for outcome in outcomes if isinstance(outcome, Stamped)])
    return outcomes + [refusal] * (len(requests) - len(outcomes))


async def _granted(services: Services, client: Client, wanted: int) -> tuple[int, ProblemError]:
    """Return how many further items the capacity admits, and the problem of those it does not."""
    agreed = client.definition.agreed("timestamp")
    detail = f"timestamp: {agreed.per_minute} a minute, {agreed.per_day} a day are agreed"
    if wanted == 0:
        return 0, ProblemError("CAPACITY_EXCEEDED", detail)
    async with services.database.write() as work:
        drawn = await draw(work, client.id, "timestamp", agreed, wanted)
        again_in = (drawn.again_at - work.now).total_seconds()
    cost = 60 / agreed.per_minute
    return drawn.granted, ProblemError("CAPACITY_EXCEEDED", detail, retry_after=max(1, math.ceil(again_in or cost)))


async def _tried(stamper: Stamper, client: Client, actor: Actor, request: TimestampRequest) -> Outcome:
    caller = Caller(client_id=client.id, address=actor.address, reference=actor.reference)
    try:
        return await stamper.stamp(request, caller)
    except ProblemError as error:
        return error
    except TimestampError as error:
        return ProblemError(error.code, str(error), party=error.party)


async def _record(services: Services, client: Client, actor: Actor, stamped: Sequence[Stamped]) -> None:
    """Write an event for each token, before any of them leaves."""
    if not stamped:
        return
    async with services.database.write() as work:
        for one in stamped:
            report = one.report
            await record(
                work,
                "timestamp.issued",
                actor,
                client_id=client.id,
                hash_sha256=hashlib.sha256(report.imprint or b"").hexdigest(),
                serial_number=f"{report.serial_number:x}",
                gen_time=None if report.gen_time is None else report.gen_time.isoformat(),
                policy=report.policy,
                authority=one.authority,
                token_sha256=hashlib.sha256(one.token).hexdigest(),
            )
