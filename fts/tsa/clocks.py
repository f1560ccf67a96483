"""The clock of an authority, watched as configured (FTS-TS-5)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from math import inf
from typing import Final

from fts.tsa.configuration import CHRONY, TimeSources, place_of
from timestamping.authority.clock.changes import ClockChanges
from timestamping.authority.clock.chrony import ChronySource
from timestamping.authority.clock.guard import ClockGuard, OnChange
from timestamping.authority.clock.kernel import read_kernel_clock
from timestamping.authority.clock.limits import ClockLimits
from timestamping.authority.clock.ports import TimeSource
from timestamping.authority.clock.sntp import SntpSource
from timestamping.authority.ports import ClockSnapshot, ClockState, TrustedClock
from timestamping.clock import utc_now

_LOG: Final = logging.getLogger("fts.tsa")
_VALID_INTERVALS: Final = 3


@asynccontextmanager
async def watched(settings: TimeSources, changes: ClockChanges) -> AsyncIterator[TrustedClock]:
    """Give the clock, checked once already, and stop watching it at the end; `changes` hears of its state."""
    if settings.unguarded:
        _LOG.warning("NOTHING WATCHES THE CLOCK of this timestamping authority: for tests and demonstrations only")
        yield _Unguarded()
        return
    guard = guard_of(settings, changes)
    changes.begin(await guard.check())
    watching = asyncio.create_task(guard.run())
    try:
        yield guard
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def guard_of(settings: TimeSources, on_change: OnChange) -> ClockGuard:
    """Return the guard that an operator described."""
    standard = ClockLimits()
    limits = replace(
        standard,
        most_deviation_seconds=settings.most_offset_seconds,
        interval_seconds=settings.interval_seconds,
        retry_seconds=min(settings.interval_seconds, standard.retry_seconds),
        valid_seconds=settings.interval_seconds * _VALID_INTERVALS,
    )
    sources = [source_of(name, limits) for name in settings.sources]
    kernel = read_kernel_clock if settings.kernel else None
    return ClockGuard(sources, quorum=settings.quorum, limits=limits, kernel=kernel, on_change=on_change)


def source_of(name: str, limits: ClockLimits) -> TimeSource:
    """Return the source that an operator named (see `fts.tsa.configuration.place_of`)."""
    if name == CHRONY:
        return ChronySource(seconds=limits.answer_seconds)
    host, port = place_of(name)
    return SntpSource(host, port, seconds=limits.answer_seconds, interval_seconds=limits.interval_seconds)


class _Unguarded:
    def __init__(self) -> None:
        self.snapshot = ClockSnapshot(0, ClockState.GOOD, None, None, (), utc_now(), inf)

    def __call__(self) -> datetime:
        return utc_now()
