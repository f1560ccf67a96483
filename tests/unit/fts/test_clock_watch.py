"""Each change of the clock's state is recorded, however short, and whatever the record does (FTS-TS-5; O-6, T-11)."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from fts.tsa import watch
from fts.tsa.watch import recording
from timestamping.authority.clock import changes as clock_changes
from timestamping.authority.clock.changes import ClockChange, ClockChanges
from timestamping.authority.ports import ClockSnapshot, ClockState
from timestamping.authority.records import FileDecisionLog, read_everything
from timestamping.clock import utc_now

GOOD = ClockSnapshot(1, ClockState.GOOD, 0.001, 0.01, ("a", "b", "c"), utc_now(), float("inf"))
STEPPED = replace(GOOD, number=2, state=ClockState.STEPPED, offset_seconds=None, error_seconds=None, sources=())


def begun() -> ClockChanges:
    changes = ClockChanges()
    changes.begin(GOOD)
    return changes


def test_changes_within_one_turn_of_the_loop_are_all_recorded(tmp_path: Path) -> None:
    """They are in the chain of the decisions, and the end of the process waits for them."""
    log = FileDecisionLog(tmp_path)

    async def case() -> None:
        changes = begun()
        async with recording(changes, log.append_change):
            for _ in range(3):
                changes(GOOD, STEPPED)
                changes(STEPPED, GOOD)

    asyncio.run(case())
    log.close()
    found = list(read_everything(tmp_path))
    assert [one["state"] for one in found] == ["good", *["stepped", "good"] * 3]
    assert found[1] == {
        "kind": "clock.state_changed",
        "before": "good",
        "state": "stepped",
        "offset_seconds": None,
        "error_seconds": None,
        "sources": [],
        "check": 2,
        "checked_at": f"{STEPPED.checked_at:%Y-%m-%dT%H:%M:%S.%f}Z",
    }
    assert found[2]["offset_seconds"] == "0.001000"
    assert found[2]["sources"] == ["a", "b", "c"]


def test_what_cannot_be_recorded_is_tried_again_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_RETRY_SECONDS", 0.001)
    recorded: list[ClockState] = []
    tries = 0

    async def record(change: ClockChange) -> None:
        nonlocal tries
        tries += 1
        if tries % 3:
            raise OSError("no room")
        recorded.append(change.after.state)

    async def case() -> None:
        changes = begun()
        async with recording(changes, record):
            changes(GOOD, STEPPED)
            changes(STEPPED, GOOD)

    asyncio.run(case())
    assert recorded == [ClockState.GOOD, ClockState.STEPPED, ClockState.GOOD]
    assert tries == 9


def test_the_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(watch, "_LAST_SECONDS", 0.05)

    async def hangs(_change: ClockChange) -> None:
        await asyncio.sleep(60)

    async def case() -> None:
        async with recording(begun(), hangs):
            pass

    asyncio.run(case())
    assert "are not recorded: the process ends" in caplog.text


def test_two_listeners_hear_the_same() -> None:
    heard: tuple[list[ClockState | None], list[ClockState | None]] = ([], [])

    def into(number: int) -> watch.Record:
        async def record(change: ClockChange) -> None:
            heard[number].append(change.before)

        return record

    async def case() -> None:
        changes = begun()
        async with recording(changes, into(0)), recording(changes, into(1)):
            changes(GOOD, STEPPED)

    asyncio.run(case())
    assert heard == ([None, ClockState.GOOD], [None, ClockState.GOOD])


def test_more_than_can_wait_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(clock_changes, "MOST_WAITING", 2)
    changes = begun()
    queue = changes.listen()
    with caplog.at_level(logging.ERROR):
        changes(GOOD, STEPPED)
        assert not caplog.records
        changes(STEPPED, GOOD)
    assert queue.qsize() == 2
    assert "the clock is good: 2 earlier changes are not recorded yet" in caplog.text
