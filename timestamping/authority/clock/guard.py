"""The clock guard (EN 319 421, clause 7.7.2): checks in the background, refuses at once what it cannot stand for."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from timestamping.authority.clock.agreement import Agreement, agree
from timestamping.authority.clock.limits import ClockLimits
from timestamping.authority.clock.ports import KernelClock, Leap, ReadKernel, Sample, TimeSource, TimeSourceError
from timestamping.authority.ports import ClockSnapshot, ClockState, TimeNotAvailableError

OnChange = Callable[[ClockSnapshot, ClockSnapshot], None]
"""Hears of a changed state: before, after."""

_LOG: Final = logging.getLogger("timestamping.clock")


class ClockGuard:
    """A `TrustedClock`. Until its first good check it tells no time; `run` keeps checking.

    A call costs two readings of clocks: it compares wall time with the time that passed since the last check, so that
    a clock that was set is noticed at the next call and not at the next check.
    """

    def __init__(
        self,
        sources: Sequence[TimeSource],
        *,
        quorum: int,
        limits: ClockLimits,
        kernel: ReadKernel | None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        on_change: OnChange = lambda _before, _after: None,
    ) -> None:
        """Take the sources, and how many of them must agree: more than half.

        `kernel` is None only where the kernel's state is not to count.

        Raises:
            ValueError: the quorum is no majority of the sources, or larger than their number.
        """
        if not len(sources) / 2 < quorum <= len(sources):
            raise ValueError(f"a quorum of {quorum} is no majority of {len(sources)} time sources")
        self._sources = tuple(sources)
        self._quorum = quorum
        self._limits = limits
        self._kernel = kernel
        self._wall = wall
        self._monotonic = monotonic
        self._on_change = on_change
        self._pause = (math.inf, -math.inf)
        self._again = asyncio.Event()
        self._rebase()
        self._snapshot = self._made(0, ClockState.UNKNOWN, None, ())

    @property
    def snapshot(self) -> ClockSnapshot:
        """The last check; UNKNOWN once it is too old, LEAP_PAUSE once a leap second is near."""
        found = self._snapshot
        if found.state is ClockState.GOOD:
            if self._monotonic() > found.valid_until:
                self._publish(ClockState.UNKNOWN, None, ())
            elif self._paused(self._wall()):
                self._publish(ClockState.LEAP_PAUSE, None, ())
                self._again.set()
        return self._snapshot

    def __call__(self) -> datetime:
        """Return the time, UTC (see `TrustedClock`)."""
        found = self._snapshot
        wall, elapsed = self._wall(), self._monotonic()
        if found.state is not ClockState.GOOD:
            raise TimeNotAvailableError(f"the clock is {found.state}")
        if elapsed > found.valid_until:
            raise TimeNotAvailableError(f"the clock was not checked since {found.checked_at:%Y-%m-%dT%H:%M:%SZ}")
        if abs(wall - self._drift - elapsed) > self._limits.most_step_seconds:
            self._publish(ClockState.STEPPED, None, ())
            self._again.set()
            raise TimeNotAvailableError("the clock was set since its last check")
        if self._paused(wall):
            self._publish(ClockState.LEAP_PAUSE, None, ())
            self._again.set()
            raise TimeNotAvailableError("a leap second is near")
        return datetime.fromtimestamp(wall, UTC)

    async def run(self) -> None:
        """Check until cancelled: at each interval, sooner after a bad check, at once after a step."""
        while True:
            self._again.clear()
            await self.check()
            good = self._snapshot.state is ClockState.GOOD
            pause = self._limits.interval_seconds if good else self._limits.retry_seconds
            try:
                async with asyncio.timeout(pause):
                    await self._again.wait()
            except TimeoutError:
                continue

    async def check(self) -> ClockSnapshot:
        """Ask all sources and the kernel once, and publish what follows."""
        if self._stepped():
            self._publish(ClockState.STEPPED, None, ())
        self._rebase()
        asked = await asyncio.gather(*(self._ask(source) for source in self._sources))
        samples = {source.name: sample for source, sample in zip(self._sources, asked, strict=True) if sample}
        agreement = agree(list(samples.values()), self._quorum)
        state = self._judged(agreement)
        self._publish(state, agreement, tuple(samples))
        return self._snapshot

    def _judged(self, agreement: Agreement | None) -> ClockState:
        kernel = self._kernel_clock()
        if self._stepped():
            return ClockState.STEPPED
        if agreement is None:
            return ClockState.UNKNOWN
        if abs(agreement.offset_seconds) + agreement.error_seconds > self._limits.most_deviation_seconds:
            return ClockState.DEVIATING
        if kernel is not None and not kernel.synchronised:
            return ClockState.UNSYNCHRONISED
        wall = self._wall()
        if agreement.leap is not Leap.NONE or (kernel is not None and kernel.leap is not Leap.NONE):
            end = _month_end(wall)
            self._pause = (end - self._limits.leap_pause_seconds, end + self._limits.leap_pause_seconds)
        elif self._based > self._pause[1]:
            self._pause = (math.inf, -math.inf)
        return ClockState.LEAP_PAUSE if self._paused(wall) else ClockState.GOOD

    def _paused(self, wall: float) -> bool:
        """Only a check that began after the pause ends it: it finds a second that our clock left out."""
        return wall >= self._pause[0] and self._based <= self._pause[1]

    def _kernel_clock(self) -> KernelClock | None:
        """Return the kernel's state; one that cannot be read counts as not synchronised."""
        if self._kernel is None:
            return None
        try:
            return self._kernel()
        except OSError as error:
            _LOG.warning("the kernel's clock cannot be read: %s", error)
            return KernelClock(False, math.inf, Leap.NONE)

    async def _ask(self, source: TimeSource) -> Sample | None:
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                sample = await source.sample()
        except (TimeSourceError, TimeoutError) as error:
            _LOG.info("time source %s: %s", source.name, error or "no answer")
            return None
        except Exception:  # noqa: BLE001 - a source that fails in a way of its own does not end the checks
            _LOG.exception("time source %s failed", source.name)
            return None
        certain = 0 <= sample.error_seconds <= self._limits.most_source_error_seconds
        return sample if certain and math.isfinite(sample.offset_seconds) else None

    def _stepped(self) -> bool:
        return abs(self._wall() - self._monotonic() - self._drift) > self._limits.most_step_seconds

    def _rebase(self) -> None:
        self._based = self._wall()
        self._drift = self._based - self._monotonic()

    def _made(
        self, number: int, state: ClockState, agreement: Agreement | None, sources: tuple[str, ...]
    ) -> ClockSnapshot:
        return ClockSnapshot(
            number,
            state,
            None if agreement is None else agreement.offset_seconds,
            None if agreement is None else agreement.error_seconds,
            sources,
            datetime.fromtimestamp(self._wall(), UTC),
            self._monotonic() + self._limits.valid_seconds,
        )

    def _publish(self, state: ClockState, agreement: Agreement | None, sources: tuple[str, ...]) -> None:
        before = self._snapshot
        self._snapshot = after = self._made(before.number + 1, state, agreement, sources)
        if after.state is before.state:
            return
        level = logging.INFO if state is ClockState.GOOD else logging.ERROR
        offset = "" if after.offset_seconds is None else f", {after.offset_seconds:+.3f} s from {', '.join(sources)}"
        _LOG.log(level, "the clock is %s (before: %s)%s", state, before.state, offset)
        try:
            self._on_change(before, after)
        except Exception:  # noqa: BLE001 - who listens does not decide whether the clock is watched
            _LOG.exception("the change of the clock's state was not taken")


def _month_end(wall: float) -> float:
    """Return the beginning of the month that is nearest to come, or that began within the last minute."""
    moment = datetime.fromtimestamp(wall - 60, UTC)
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1).timestamp()
