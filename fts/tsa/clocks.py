"""The clock of an authority, watched as configured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from math import inf

from fts.errors import RefusalError
from fts.tsa.configuration import TimeSources
from timestamping.authority.ports import ClockSnapshot, ClockState, TrustedClock
from timestamping.clock import utc_now


@asynccontextmanager
async def watched(settings: TimeSources) -> AsyncIterator[TrustedClock]:
    """Give the clock, and stop watching it at the end."""
    if not settings.unguarded:
        raise RefusalError("CLOCK_UNGUARDED", "no guard of the clock is there", "Use an unguarded clock.")
    yield _Unguarded()


class _Unguarded:
    def __init__(self) -> None:
        self.snapshot = ClockSnapshot(0, ClockState.GOOD, None, None, (), utc_now(), inf)

    def __call__(self) -> datetime:
        return utc_now()
