"""The breaker of an authority under requests that overlap (FTS-TS-2)."""

import pytest

from timestamping.client.breaker import Breaker, BreakerState
from timestamping.client.settings import ClientLimits

LIMITS = ClientLimits()


class Bench:
    def __init__(self) -> None:
        self.now = 0.0
        self.breaker = Breaker(LIMITS, lambda: self.now, lambda: 0.5)

    def enter(self) -> int:
        turn = self.breaker.enter()
        assert turn is not None
        return turn


def test_failures_of_one_outage_at_once_open_it_for_the_first_pause_only() -> None:
    bench = Bench()
    turns = [bench.enter() for _ in range(13)]
    for turn in turns:
        bench.breaker.failed(turn)
    bench.now = LIMITS.open_seconds - 0.01
    assert bench.breaker.state is BreakerState.OPEN
    bench.now = LIMITS.open_seconds
    assert bench.breaker.state is BreakerState.HALF_OPEN


@pytest.mark.parametrize("end", ["abandoned", "failed"])
def test_a_request_from_before_does_not_end_the_trial(end: str) -> None:
    bench = Bench()
    early = bench.enter()
    for turn in [bench.enter() for _ in range(LIMITS.failures_to_open)]:
        bench.breaker.failed(turn)
    bench.now = LIMITS.open_seconds
    trial = bench.enter()
    getattr(bench.breaker, end)(early)
    assert bench.breaker.enter() is None, "one at a time"
    bench.breaker.failed(trial)
    bench.now += 2 * LIMITS.open_seconds - 0.01
    assert bench.breaker.enter() is None
    bench.now += 0.01
    assert bench.breaker.enter() is not None, "the second pause is twice the first"


def test_a_trial_that_is_given_up_lets_another_try() -> None:
    bench = Bench()
    for turn in [bench.enter() for _ in range(LIMITS.failures_to_open)]:
        bench.breaker.failed(turn)
    bench.now = LIMITS.open_seconds
    bench.breaker.abandoned(bench.enter())
    assert bench.breaker.state is BreakerState.HALF_OPEN


def test_a_success_from_before_closes_it_and_the_trial_counts_no_more() -> None:
    bench = Bench()
    for turn in [bench.enter() for _ in range(LIMITS.failures_to_open)]:
        bench.breaker.failed(turn)
    bench.now = LIMITS.open_seconds
    trial = bench.enter()
    bench.breaker.succeeded()
    bench.breaker.failed(trial)
    assert bench.breaker.state is BreakerState.CLOSED
