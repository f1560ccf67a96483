"""A clock that is set wrong destroys nothing and keeps nothing (case S-4, FTS-TS-5)."""

from datetime import UTC, datetime, timedelta

import pytest

from fts import steady
from fts.steady import SteadyClock

START = datetime(2026, 11, 24, 8, tzinfo=UTC)


class Machine:
    """Wall clock and elapsed time of a machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.passed = START, 100.0
        monkeypatch.setattr(steady, "elapsed", lambda: self.passed)
        self.clock = SteadyClock(lambda: self.wall)

    def go(self, seconds: float, off: float = 0.0) -> None:
        self.passed += seconds
        self.wall += timedelta(seconds=seconds + off)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_it_follows_a_clock_that_is_corrected_slowly(machine: Machine) -> None:
    for _ in range(100):
        machine.go(60, off=0.5)
        assert machine.clock() == machine.wall
    assert machine.clock.jump is None


@pytest.mark.parametrize("off", [3600.0, -3600.0, 5 * 86400.0, -3.0])
def test_it_does_not_follow_a_jump(machine: Machine, off: float) -> None:
    machine.go(10, off=off)
    assert machine.clock() == START + timedelta(seconds=10)
    machine.go(30)
    assert machine.clock() == START + timedelta(seconds=40)
    assert machine.clock.jump == timedelta(seconds=off)


def test_it_believes_the_clock_again_when_it_is_back(machine: Machine) -> None:
    machine.go(10, off=3600)
    machine.clock()
    machine.go(10, off=-3600)
    assert machine.clock() == START + timedelta(seconds=20)
    assert machine.clock.jump is None


def test_a_machine_that_slept_has_not_jumped(machine: Machine) -> None:
    machine.go(8 * 3600)
    assert machine.clock() == START + timedelta(hours=8)
    assert machine.clock.jump is None
