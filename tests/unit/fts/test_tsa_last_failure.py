"""An authority that gives no tokens says so to whoever asks before he sends a caller (FTS-TS-1)."""

import asyncio
from collections.abc import Sequence

import pytest

from fts.tsa.last_failure import TOLD_SECONDS, NotedLog
from fts.tsa.tally import CountedLog, Tally
from tests.unit.timestamping.test_records import GRANTED, REFUSED
from timestamping.authority.ports import Decision, RecordFailedError

SYSTEM_FAILURE = REFUSED._replace(fail_info="systemFailure")


class Records:
    full = False

    async def append(self, _decisions: Sequence[Decision]) -> None:
        if self.full:
            raise RecordFailedError("decisions cannot be recorded: no space left")


def test_a_full_disk_is_told_until_a_token_leaves() -> None:
    records, now = Records(), [0.0]
    log = NotedLog(records, lambda: now[0])
    assert log.failure is None
    records.full = True
    with pytest.raises(RecordFailedError):
        asyncio.run(log.append([GRANTED]))
    assert log.failure == "decisions cannot be recorded: no space left"
    records.full = False
    asyncio.run(log.append([REFUSED]))
    assert log.failure is not None, "a query that the caller got wrong says nothing of the authority"
    asyncio.run(log.append([GRANTED]))
    assert log.failure is None


def test_a_key_that_fails_is_told_and_may_be_tried_again_later() -> None:
    now = [0.0]
    log = NotedLog(Records(), lambda: now[0])
    asyncio.run(log.append([GRANTED, SYSTEM_FAILURE]))
    assert "systemFailure" in str(log.failure)
    now[0] = TOLD_SECONDS + 1
    assert log.failure is None


def test_what_could_not_be_recorded_is_counted_as_it_was_answered() -> None:
    records, tally = Records(), Tally(1)
    log = CountedLog(records, tally.row(0))
    records.full = True
    with pytest.raises(RecordFailedError):
        asyncio.run(log.append([GRANTED, REFUSED]))
    assert {name: count for name, count in tally.totals().outcomes.items() if count} == {"systemFailure": 2}
