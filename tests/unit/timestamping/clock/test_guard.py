"""The clock guard: no time from a clock that it cannot stand for, and recovery by itself (FTS-TS-5; T-11)."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timestamping.authority.clock.agreement import agree
from timestamping.authority.clock.guard import ClockGuard
from timestamping.authority.clock.limits import ClockLimits
from timestamping.authority.clock.ports import KernelClock, Leap, Sample, TimeSourceError
from timestamping.authority.ports import ClockSnapshot, ClockState, TimeNotAvailableError

START = datetime(2026, 12, 31, 23, 0, tzinfo=UTC).timestamp()


class World:
    """True time, our wall clock and the elapsed time, as a test moves them."""

    def __init__(self) -> None:
        self.elapsed = 1000.0
        self.off = 0.0

    def true(self) -> float:
        return START + self.elapsed - 1000.0

    def wall(self) -> float:
        return self.true() + self.off

    def monotonic(self) -> float:
        return self.elapsed


KEPT = KernelClock(True, 0.01, Leap.NONE)


@dataclass
class Scripted:
    """A source that knows the true time, but for what it is told to say."""

    world: World
    name: str
    lies_seconds: float = 0.0
    silent: bool = False
    error_seconds: float = 0.01
    leap: Leap = Leap.NONE

    async def sample(self) -> Sample:
        if self.silent:
            raise TimeSourceError(f"{self.name} is silent")
        return Sample(self.world.off + self.lies_seconds, self.error_seconds, self.leap)


@dataclass
class Scene:
    world: World = field(default_factory=World)
    kernel: KernelClock = KEPT
    changes: list[tuple[ClockState, ClockState]] = field(default_factory=list)
    sources: list[Scripted] = field(init=False)
    guard: ClockGuard = field(init=False)

    def __post_init__(self) -> None:
        self.sources = [Scripted(self.world, f"source {number}") for number in range(5)]
        self.guard = ClockGuard(
            self.sources,
            quorum=3,
            limits=ClockLimits(),
            kernel=lambda: self.kernel,
            wall=self.world.wall,
            monotonic=self.world.monotonic,
            on_change=self.changed,
        )

    def changed(self, before: ClockSnapshot, after: ClockSnapshot) -> None:
        self.changes.append((before.state, after.state))

    def check(self) -> ClockState:
        return asyncio.run(self.guard.check()).state

    def refused(self) -> bool:
        try:
            told = self.guard()
        except TimeNotAvailableError:
            return True
        assert told.timestamp() == pytest.approx(self.world.wall(), abs=1e-3)
        return False


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_nothing_is_told_before_the_first_check(scene: Scene) -> None:
    assert scene.refused()
    assert scene.check() is ClockState.GOOD
    assert not scene.refused()
    assert scene.guard.snapshot.sources == tuple(source.name for source in scene.sources)


@pytest.mark.parametrize("off", [2.0, -2.0, 0.51, 3600.0])
def test_a_clock_that_is_off_and_comes_back(scene: Scene, off: float) -> None:
    scene.check()
    scene.world.off = off
    assert scene.check() is ClockState.DEVIATING
    assert scene.refused()
    assert scene.guard.snapshot.offset_seconds == pytest.approx(off)
    scene.world.off = 0.0
    assert scene.check() is ClockState.GOOD
    assert not scene.refused()
    assert scene.changes[-1] == (ClockState.STEPPED, ClockState.GOOD)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 0.2, -0.2, 1.0])
def test_a_jump_is_refused_at_the_next_call(scene: Scene, jump: float) -> None:
    scene.check()
    scene.world.elapsed += 10
    assert not scene.refused()
    scene.world.off = jump
    assert scene.refused()
    assert scene.guard.snapshot.state is ClockState.STEPPED
    assert scene.changes == [(ClockState.UNKNOWN, ClockState.GOOD), (ClockState.GOOD, ClockState.STEPPED)]
    assert scene.refused()
    assert len(scene.changes) == 2, "a state is announced once"


def test_silence_of_too_many(scene: Scene) -> None:
    scene.check()
    for source in scene.sources[:2]:
        source.silent = True
    assert scene.check() is ClockState.GOOD
    scene.sources[2].silent = True
    assert scene.check() is ClockState.UNKNOWN
    assert scene.refused()
    scene.sources[2].silent = False
    assert scene.check() is ClockState.GOOD
    assert not scene.refused()


def test_a_check_that_is_too_old(scene: Scene) -> None:
    scene.check()
    scene.world.elapsed += ClockLimits().valid_seconds
    assert not scene.refused()
    scene.world.elapsed += 0.1
    assert scene.refused()
    assert scene.guard.snapshot.state is ClockState.UNKNOWN


def test_a_minority_that_lies_changes_nothing(scene: Scene) -> None:
    for source in scene.sources[:2]:
        source.lies_seconds = 5.0
    assert scene.check() is ClockState.GOOD
    scene.world.off = -5.0
    assert scene.check() is ClockState.DEVIATING


def test_no_two_agree(scene: Scene) -> None:
    for number, source in enumerate(scene.sources):
        source.lies_seconds = number * 0.1
    assert scene.check() is ClockState.UNKNOWN


def test_sources_that_are_unsure_do_not_count(scene: Scene) -> None:
    for source in scene.sources[:3]:
        source.error_seconds = 0.6
    assert scene.check() is ClockState.UNKNOWN


def test_a_kernel_that_nothing_keeps(scene: Scene) -> None:
    scene.kernel = KernelClock(False, 16.0, Leap.NONE)
    assert scene.check() is ClockState.UNSYNCHRONISED
    assert scene.refused()


def test_a_kernel_that_says_nothing_is_not_trusted(scene: Scene) -> None:
    def unreadable() -> KernelClock:
        raise OSError("not here")

    guard = ClockGuard(scene.sources, quorum=3, limits=ClockLimits(), kernel=unreadable)
    assert asyncio.run(guard.check()).state is ClockState.UNSYNCHRONISED
    without = ClockGuard(scene.sources, quorum=3, limits=ClockLimits(), kernel=None)
    assert asyncio.run(without.check()).state is ClockState.GOOD


@pytest.mark.parametrize("by_kernel", [True, False])
def test_a_leap_second_is_waited_for(scene: Scene, by_kernel: bool) -> None:
    """2026-12-31 23:59:60 is announced an hour before; nothing is told from 23:59:58.5 to 00:00:01.5."""
    if by_kernel:
        scene.kernel = KernelClock(True, 0.01, Leap.INSERT)
    else:
        for source in scene.sources[:3]:
            source.leap = Leap.INSERT
    assert scene.check() is ClockState.GOOD
    assert not scene.refused()
    scene.world.elapsed = 1000.0 + 3590.0
    assert scene.check() is ClockState.GOOD
    assert not scene.refused()
    scene.world.elapsed = 1000.0 + 3599.0
    assert scene.refused()
    assert scene.check() is ClockState.LEAP_PAUSE
    scene.kernel = KernelClock(True, 0.01, Leap.NONE)
    for source in scene.sources:
        source.leap = Leap.NONE
    scene.world.elapsed = 1000.0 + 3601.0
    assert scene.check() is ClockState.LEAP_PAUSE
    scene.world.elapsed = 1000.0 + 3602.0
    assert scene.check() is ClockState.GOOD
    assert not scene.refused()


def test_after_a_leap_second_a_check_comes_first(scene: Scene) -> None:
    """Our clock leaves the second out, and shows no step: it is found before a time is told."""
    for source in scene.sources:
        source.leap = Leap.INSERT
    scene.world.elapsed = 1000.0 + 3590.0
    assert scene.check() is ClockState.GOOD
    scene.world.elapsed = 1000.0 + 3602.0
    assert scene.refused()
    for source in scene.sources:
        source.lies_seconds = 1.0
    assert scene.check() is ClockState.DEVIATING
    assert scene.refused()
    for source in scene.sources:
        source.lies_seconds = 0.0
    assert scene.check() is ClockState.GOOD
    assert not scene.refused()


@pytest.mark.parametrize("by_call", [True, False])
def test_a_pause_between_two_checks_is_announced_once(scene: Scene, by_call: bool) -> None:
    scene.kernel = KernelClock(True, 0.01, Leap.INSERT)
    scene.world.elapsed = 1000.0 + 3590.0
    scene.check()
    scene.world.elapsed = 1000.0 + 3599.0
    for _ in range(2):
        assert scene.refused() if by_call else scene.guard.snapshot.state is ClockState.LEAP_PAUSE
    assert scene.changes[1:] == [(ClockState.GOOD, ClockState.LEAP_PAUSE)]


def test_checks_go_on_whatever_a_source_and_a_listener_do() -> None:
    async def work() -> None:
        scene = Scene()

        async def broken() -> Sample:
            raise LookupError("a fault of its own")

        def deaf(_before: ClockSnapshot, _after: ClockSnapshot) -> None:
            raise RuntimeError("the trail is down")

        scene.sources[0].sample = broken  # type: ignore[method-assign]
        limits = ClockLimits(interval_seconds=0.01, retry_seconds=0.01)
        guard = ClockGuard(
            scene.sources,
            quorum=3,
            limits=limits,
            kernel=None,
            wall=scene.world.wall,
            monotonic=scene.world.monotonic,
            on_change=deaf,
        )
        running = asyncio.create_task(guard.run())
        await until(guard, ClockState.GOOD)
        scene.world.off = 2.0
        await until(guard, ClockState.DEVIATING)
        scene.world.off = 0.0
        await until(guard, ClockState.GOOD)
        assert not running.done()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(work())


def test_the_second_that_the_kernel_puts_in_is_a_step_until_it_is_checked(scene: Scene) -> None:
    scene.check()
    scene.world.elapsed += 5
    scene.world.off = -1.0
    assert scene.refused()
    scene.world.off = 0.0
    assert scene.check() is ClockState.GOOD


@pytest.mark.parametrize(("sources", "quorum"), [(4, 2), (5, 2), (3, 4), (0, 0), (1, 0)])
def test_a_quorum_is_a_majority(scene: Scene, sources: int, quorum: int) -> None:
    with pytest.raises(ValueError, match="majority"):
        ClockGuard(scene.sources[:sources], quorum=quorum, limits=ClockLimits(), kernel=None)


def test_it_checks_by_itself_and_at_once_after_a_step() -> None:
    async def work() -> None:
        scene = Scene()
        limits = ClockLimits(interval_seconds=30, retry_seconds=0.02)
        guard = ClockGuard(
            scene.sources, quorum=3, limits=limits, kernel=None, wall=scene.world.wall, monotonic=scene.world.monotonic
        )
        running = asyncio.create_task(guard.run())
        await until(guard, ClockState.GOOD)
        scene.world.off = 2.0
        with pytest.raises(TimeNotAvailableError):
            guard()
        await until(guard, ClockState.DEVIATING)
        scene.world.off = 0.0
        await until(guard, ClockState.GOOD)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(work())


async def until(guard: ClockGuard, state: ClockState) -> None:
    async with asyncio.timeout(5):
        while guard.snapshot.state is not state:  # noqa: ASYNC110 - what is watched has no event
            await asyncio.sleep(0.005)


HONEST = st.lists(st.floats(0.001, 0.1), min_size=3, max_size=5)
LIES = st.lists(st.tuples(st.floats(-10, 10), st.floats(0, 5)), max_size=2)


@given(truth=st.floats(-3, 3), shifts=st.lists(st.floats(-1, 1), min_size=5, max_size=5), errors=HONEST, lies=LIES)
def test_liars_in_the_minority_never_move_the_verdict(
    truth: float, shifts: Sequence[float], errors: list[float], lies: list[tuple[float, float]]
) -> None:
    """What is agreed holds the truth, and lies within what the honest say."""
    honest = [Sample(truth + shift * error, error) for shift, error in zip(shifts[: len(errors)], errors, strict=True)]
    samples = honest + [Sample(offset, error) for offset, error in lies]
    quorum = len(samples) // 2 + 1
    if len(honest) < quorum:
        return
    found = agree(samples, quorum)
    assert found is not None
    assert found.low_seconds - 1e-9 <= truth <= found.high_seconds + 1e-9
    assert found.low_seconds >= min(each.offset_seconds - each.error_seconds for each in honest)
    assert found.high_seconds <= max(each.offset_seconds + each.error_seconds for each in honest)
