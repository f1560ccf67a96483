"""Leaving an authority alone that fails, and keeping to the rate that it allows."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from timestamping.client.settings import ClientLimits, Rate


class BreakerState(StrEnum):
    """Whether an authority is asked."""

    CLOSED = "closed"
    """It is."""
    OPEN = "open"
    """It is left alone."""
    HALF_OPEN = "half-open"
    """One request tries whether it works again."""


class Breaker:
    """Opens after failures one after the other, for longer each time; one request at a time tries to close it."""

    def __init__(self, limits: ClientLimits, monotonic: Callable[[], float], jitter: Callable[[], float]) -> None:
        """`jitter` returns 0 to 1; a pause takes half to one and a half of its length, so that clients part."""
        self._limits = limits
        self._monotonic = monotonic
        self._jitter = jitter
        self._failures = 0
        self._openings = 0
        self._until: float | None = None
        self._trying = False
        self._turn = 0

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if self._until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._monotonic() < self._until or self._trying else BreakerState.HALF_OPEN

    def enter(self, *, even_if_open: bool = False) -> int | None:
        """Ask to make a request: no while it is open; once it is half open, one at a time.

        The number says in which turn the request was made; None means no.
        """
        if self.state is BreakerState.OPEN and not even_if_open:
            return None
        if self._until is not None and not self._trying:
            self._trying = True
            self._turn += 1
        return self._turn

    def abandoned(self, turn: int) -> None:
        """Count a request that was given up by ourselves: it says nothing of the authority."""
        if turn == self._turn:
            self._trying = False

    def succeeded(self) -> None:
        """Close: it works now, whenever it was asked."""
        self._failures = self._openings = 0
        self._until = None
        self._trying = False
        self._turn += 1

    def failed(self, turn: int) -> None:
        """Count a failure, unless it is of an earlier turn: that was asked before it opened and tells nothing new."""
        if turn != self._turn:
            return
        self._failures += 1
        if self._trying or self._failures >= self._limits.failures_to_open:
            pause = min(self._limits.open_seconds * 2**self._openings, self._limits.most_open_seconds)
            self._until = self._monotonic() + pause * (0.5 + self._jitter())
            self._openings = min(self._openings + 1, 32)
            self._turn += 1
        self._trying = False


@dataclass(slots=True)
class RateKeeper:
    """A sliding window over our own requests."""

    rate: Rate
    monotonic: Callable[[], float]
    _made: deque[float]

    def __init__(self, rate: Rate, monotonic: Callable[[], float]) -> None:
        self.rate = rate
        self.monotonic = monotonic
        self._made = deque(maxlen=rate.requests)

    def enter(self) -> bool:
        """Count a request, if it may be made now."""
        now = self.monotonic()
        if len(self._made) == self.rate.requests and now - self._made[0] < self.rate.seconds:
            return False
        self._made.append(now)
        return True
