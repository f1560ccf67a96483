"""Networks and capacity at the door of an authority that stands alone: FTS-TS-4, case A-8."""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from fts.tsa.configuration import Door, DoorClient
from fts.tsa.door import Capacities, NetworkAdmission
from fts.tsa.tally import BUCKETS, OUTCOMES, Tally
from timestamping.authority.app import Refused

SECOND = 1_000_000_000
TOWN = DoorClient.model_validate({"id": "town", "networks": ["203.0.113.0/24"], "per_minute": 60, "burst": 3})
DESK = DoorClient.model_validate({"id": "desk", "networks": ["203.0.113.7/32"], "per_minute": 60, "burst": 3})


class Time:
    def __init__(self) -> None:
        self.now = 10**12

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def capacities(time: Time) -> Iterator[Capacities]:
    made = Capacities([TOWN, DESK], time)
    yield made
    made.close()


def test_a_burst_then_the_rate(capacities: Capacities, time: Time) -> None:
    assert [capacities.take(0) for _ in range(5)] == [0, 0, 0, 1, 1]
    time.now += SECOND
    assert [capacities.take(0) for _ in range(2)] == [0, 1]
    time.now += 60 * SECOND
    assert [capacities.take(0) for _ in range(4)] == [0, 0, 0, 1]


def test_one_clients_use_is_not_anothers(capacities: Capacities) -> None:
    assert [capacities.take(0) for _ in range(4)] == [0, 0, 0, 1]
    assert capacities.take(1) == 0


def test_processes_count_together_also_when_one_dies_at_it(capacities: Capacities) -> None:
    """What a child takes is gone for its siblings; one that is killed under the lock stops nobody."""
    child = os.fork()
    if child == 0:
        capacities.take(0)
        capacities.take(0)
        with capacities._locked():
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert [capacities.take(0) for _ in range(2)] == [0, 1]


def admitted(door: Door, capacities: Capacities, address: str | None) -> Any:
    scope = {"client": None if address is None else (address, 50_000)}
    return asyncio.run(NetworkAdmission(door, capacities)(scope))


def test_the_narrowest_network_decides(capacities: Capacities) -> None:
    door = Door(clients=(TOWN, DESK))
    assert admitted(door, capacities, "203.0.113.7").client_id == "desk"
    assert admitted(door, capacities, "203.0.113.8").client_id == "town"
    assert admitted(door, capacities, "::ffff:203.0.113.8").client_id == "town"


@pytest.mark.parametrize("address", ["198.51.100.1", "2001:db8::1", "no address", None])
def test_strangers(capacities: Capacities, address: str | None) -> None:
    with pytest.raises(Refused) as refused:
        admitted(Door(clients=(TOWN,)), capacities, address)
    assert refused.value.status == 403
    assert admitted(Door(open=True), capacities, address).client_id is None


def test_an_open_door_keeps_the_capacity_of_those_it_knows(capacities: Capacities) -> None:
    door = Door(open=True, clients=(TOWN,))
    for _ in range(3):
        admitted(door, capacities, "203.0.113.8")
    with pytest.raises(Refused) as refused:
        admitted(door, capacities, "203.0.113.8")
    assert refused.value.status == 429
    assert dict(refused.value.headers) == {b"retry-after": b"1"}


def test_counters_are_summed_over_workers() -> None:
    tally = Tally(2)
    for worker in range(2):
        row = tally.row(worker)
        for name in OUTCOMES:
            row.decided(None if name == "granted" else name)
        row.answered(200, 1_500_000)
        row.answered(418, 10 * SECOND)
    totals = tally.totals()
    assert set(totals.outcomes.values()) == {2}
    assert (totals.statuses[200], totals.statuses[500]) == (2, 2)
    assert dict(totals.histogram)["0.001"] == 0
    assert dict(totals.histogram)["0.002"] == dict(totals.histogram)[f"{BUCKETS[-1]:g}"] == 2
    assert dict(totals.histogram)["+Inf"] == 4
    assert totals.seconds == pytest.approx(20.003)
