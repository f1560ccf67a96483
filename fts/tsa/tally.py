"""What the authority's workers count, in memory that they share: one row a worker, written by it alone, read by all."""

import mmap
from collections.abc import Sequence
from typing import Final

from timestamping.authority.ports import Decision, DecisionLog, RecordFailedError

OUTCOMES: Final = (
    "granted",
    "badAlg",
    "badRequest",
    "badDataFormat",
    "timeNotAvailable",
    "unacceptedPolicy",
    "unacceptedExtension",
    "addInfoNotAvailable",
    "systemFailure",
)
"""A token, or the failInfo of RFC 3161 in its place."""

STATUSES: Final = (200, 403, 405, 408, 413, 415, 429, 500, 503)
"""HTTP statuses that the door answers; another counts as 500."""

BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histogram of answer times, in seconds."""

_STATUS_AT: Final = len(OUTCOMES)
_BUCKET_AT: Final = _STATUS_AT + len(STATUSES)
_NANOSECONDS_AT: Final = _BUCKET_AT + len(BUCKETS) + 1
_COLUMNS: Final = _NANOSECONDS_AT + 1
_OUTCOME_INDEX: Final = {name: index for index, name in enumerate(OUTCOMES)}
_STATUS_INDEX: Final = {status: _STATUS_AT + index for index, status in enumerate(STATUSES)}


class Tally:
    """Counters of `workers` processes, made before they are forked. They only grow, also over a worker's death."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap.mmap(-1, max(1, workers) * _COLUMNS * 8)
        self._cells = memoryview(self._memory).cast("Q")
        self._workers = max(1, workers)

    def row(self, worker: int) -> "Row":
        """Return the counters that a worker writes."""
        return Row(self._cells[worker * _COLUMNS : (worker + 1) * _COLUMNS])

    def totals(self) -> "Totals":
        """Return the sums over all workers."""
        cells = self._cells
        return Totals([sum(cells[w * _COLUMNS + c] for w in range(self._workers)) for c in range(_COLUMNS)])


class Row:
    """The counters of one worker."""

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def decided(self, fail_info: str | None) -> None:
        """Count a decision."""
        self._cells[_OUTCOME_INDEX["granted" if fail_info is None else fail_info]] += 1

    def answered(self, status: int, nanoseconds: int) -> None:
        """Count an answer and its time."""
        cells = self._cells
        cells[_STATUS_INDEX.get(status, _STATUS_INDEX[500])] += 1
        seconds = nanoseconds / 1e9
        at = 0
        for bound in BUCKETS:
            if seconds <= bound:
                break
            at += 1
        cells[_BUCKET_AT + at] += 1
        cells[_NANOSECONDS_AT] += nanoseconds


class Totals:
    """Sums over all workers, at one moment."""

    def __init__(self, values: Sequence[int]) -> None:
        self._values = values

    @property
    def outcomes(self) -> dict[str, int]:
        """Decisions by outcome."""
        return dict(zip(OUTCOMES, self._values, strict=False))

    @property
    def statuses(self) -> dict[int, int]:
        """Answers by HTTP status."""
        return dict(zip(STATUSES, self._values[_STATUS_AT:_BUCKET_AT], strict=True))

    @property
    def histogram(self) -> list[tuple[str, int]]:
        """Answers that took at most so many seconds, cumulative; the last bound is `+Inf`."""
        found, count = [], 0
        bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
        for bound, value in zip(bounds, self._values[_BUCKET_AT:_NANOSECONDS_AT], strict=True):
            count += value
            found.append((bound, count))
        return found

    @property
    def seconds(self) -> float:
        """Time of all answers together."""
        return self._values[_NANOSECONDS_AT] / 1e9


class CountedLog:
    """A decision log that counts what callers were answered: what it could not record was systemFailure to them."""

    def __init__(self, log: DecisionLog, row: Row) -> None:
        self._log = log
        self._row = row

    async def append(self, decisions: Sequence[Decision]) -> None:
        """Record decisions (see `DecisionLog`)."""
        try:
            await self._log.append(decisions)
        except RecordFailedError:
            for _ in decisions:
                self._row.decided("systemFailure")
            raise
        for decision in decisions:
            self._row.decided(decision.fail_info)
