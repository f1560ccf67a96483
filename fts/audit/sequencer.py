"""The sequencer: keeps the chain behind the events, makes checkpoints, and has them timestamped (FTS-AUD-2)."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from fts.audit.chain import sequence
from fts.audit.checkpoints import MOST, Timestamp, anchor, checkpoint
from fts.db.database import Database
from timestamping.clock import Clock
from timestamping.ports import TimestampError

_LOG: Final = logging.getLogger("fts.audit")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the sequencer does what; times in seconds."""

    look: float = 1.0
    """After this time it looks for events even if nobody rang."""
    gather: float = 0.2
    """How long it lets events gather for one transaction."""
    batch: int = 5000
    """Events of one transaction."""
    checkpoint: float = 60.0
    """Time between checkpoints."""
    links: int = MOST
    """New links after which there is a checkpoint before its time."""
    retry: float = 1.0
    """Pause after a failure; it doubles each time."""
    longest_retry: float = 300.0
    """The longest pause."""


async def sequence_forever(
    database: Database,
    timestamp: Timestamp,
    clock: Clock,
    wake: asyncio.Event,
    *,
    algorithm: str = "sha256",
    pace: Pace = Pace(),
) -> None:
    """Chain events, make checkpoints and anchor them until cancelled.

    A database or an authority that fails is logged and tried again with growing pauses; the authority never holds up
    the chain.

    Args:
        database: where the trail is.
        timestamp: asks the authority.
        clock: the time.
        wake: set by whoever hears that there are events.
        algorithm: of the checkpoints from now on: sha256, sha384 or sha512.
        pace: how often.
    """
    made = asyncio.Event()
    made.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(_Chaining(database, clock, algorithm, pace, made).run(wake))
        group.create_task(_anchor(database, timestamp, pace, made))


class _Chaining:
    """Appends to the chain and makes checkpoints."""

    def __init__(self, database: Database, clock: Clock, algorithm: str, pace: Pace, made: asyncio.Event) -> None:
        self._database = database
        self._clock = clock
        self._algorithm = algorithm
        self._pace = pace
        self._made = made
        self._links = 0
        self._due: datetime | None = None

    async def run(self, wake: asyncio.Event) -> None:
        """Work until cancelled."""
        pause = self._pace.retry
        while True:
            try:
                await self._round(wake)
            except (SQLAlchemyError, OSError):
                _LOG.exception("the chain cannot be continued; the next try is in %g s", pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._pace.longest_retry)
            else:
                pause = self._pace.retry
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.look):
                        await wake.wait()
                    await asyncio.sleep(self._pace.gather)

    async def _round(self, wake: asyncio.Event) -> None:
        wake.clear()
        while True:
            count = await sequence(self._database, self._pace.batch)
            self._links += count
            if self._links >= self._pace.links:
                await self._checkpoint()
            if count < self._pace.batch:
                break
        now = self._clock()
        if self._due is None or now >= self._due:
            await self._checkpoint()
            self._due = now + timedelta(seconds=self._pace.checkpoint)

    async def _checkpoint(self) -> None:
        while await checkpoint(self._database, self._algorithm):
            self._made.set()
        self._links = 0


async def _anchor(database: Database, timestamp: Timestamp, pace: Pace, made: asyncio.Event) -> None:
    pause = pace.retry
    while True:
        await made.wait()
        made.clear()
        try:
            await anchor(database, timestamp)
        except (TimestampError, SQLAlchemyError, OSError) as error:
            _LOG.warning("checkpoints wait for their timestamp (%s); the next try is in %g s", error, pause)
            made.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, pace.longest_retry)
        else:
            pause = pace.retry
