"""Changes of the clock's state, for whoever must record them (EN 319 421, clause 7.12): none is lost, however short."""

import asyncio
import logging
from json import dumps
from typing import Any, Final, NamedTuple

from timestamping.authority.ports import ClockSnapshot, ClockState

MOST_WAITING: Final = 10_000
"""Changes that wait to be recorded; more are in the log only."""

_LOG: Final = logging.getLogger("timestamping.clock")


class ClockChange(NamedTuple):
    """The clock's state became another."""

    before: ClockState | None
    """None where the record begins: the state at that time."""
    after: ClockSnapshot


class ClockChanges:
    """Tells every listener of every change, in order. An `OnChange` of the guard; for use on one event loop."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Queue[ClockChange | None]] = []
        self._now: ClockSnapshot | None = None

    def begin(self, snapshot: ClockSnapshot) -> None:
        """Take the state in which the clock is when somebody begins to listen."""
        self._now = snapshot

    def __call__(self, before: ClockSnapshot, after: ClockSnapshot) -> None:
        """Take a change in; never waits."""
        self._now = after
        for queue in self._listeners:
            try:
                queue.put_nowait(ClockChange(before.state, after))
            except asyncio.QueueFull:
                _LOG.error("the clock is %s: %d earlier changes are not recorded yet", after.state, queue.qsize())

    def listen(self) -> "asyncio.Queue[ClockChange | None]":
        """Return a queue of all changes from now on; the state as it is comes first, where something watches it."""
        queue: asyncio.Queue[ClockChange | None] = asyncio.Queue(MOST_WAITING)
        if self._now is not None:
            queue.put_nowait(ClockChange(None, self._now))
        self._listeners.append(queue)
        return queue

    def forget(self, queue: "asyncio.Queue[ClockChange | None]") -> None:
        """Tell a listener nothing any more."""
        self._listeners.remove(queue)


def members(change: ClockChange) -> dict[str, Any]:
    """Return what is recorded of a change; seconds as decimals of six digits, as in the records of decisions."""
    snapshot = change.after
    return {
        "before": change.before,
        "state": snapshot.state,
        "offset_seconds": _seconds(snapshot.offset_seconds),
        "error_seconds": _seconds(snapshot.error_seconds),
        "sources": list(snapshot.sources),
        "check": snapshot.number,
        "checked_at": f"{snapshot.checked_at:%Y-%m-%dT%H:%M:%S.%fZ}",
    }


def encode_change(change: ClockChange) -> str:
    """Return the members of the record of a change as JSON without the braces; its `kind` tells it from a decision."""
    return dumps({"kind": "clock.state_changed", **members(change)}, separators=(",", ":"))[1:-1]


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.6f}"
