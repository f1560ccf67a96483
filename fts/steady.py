"""A clock that does not jump: the wall clock, as long as it agrees with the time that has passed."""

import logging
import threading
import time
from datetime import datetime, timedelta
from typing import Final

from timestamping.clock import Clock, utc_now

_LOG: Final = logging.getLogger("fts.clock")
_TOLERANCE: Final = timedelta(seconds=2)
"""A step up to this is a correction; a larger one is not believed."""


def elapsed() -> float:
    """Return the seconds since the machine was started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Follows the wall clock while its steps are small; goes on by elapsed time when it jumps (FTS-TS-5).

    A clock that was set wrong destroys nothing and keeps nothing too long. Whoever sets it right restarts the process.
    """

    def __init__(self, wall: Clock = utc_now) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._moment = wall()
        self._at = elapsed()
        self.jump: timedelta | None = None
        """How far the wall clock is off since it jumped; None while it can be believed."""

    def __call__(self) -> datetime:
        """Return the time, UTC."""
        with self._lock:
            at, shown = elapsed(), self._wall()
            expected = self._moment + timedelta(seconds=at - self._at)
            off = shown - expected
            if abs(off) > _TOLERANCE:
                if self.jump is None:
                    _LOG.error("the clock jumped by %.1f s: it is not followed any more", off.total_seconds())
                self.jump = off
                return expected
            if self.jump is not None:
                _LOG.warning("the clock is back")
                self.jump = None
            self._moment, self._at = shown, at
            return shown
