"""The authority: takes queries, decides on them in batches, and answers once the decisions are recorded (FTS-TS-1)."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

from timestamping import der
from timestamping.authority.decision import GRANTED, SECOND, Decider, FailInfo, Issued, Query, refused, rejection
from timestamping.authority.policies import Accuracy, Policies
from timestamping.authority.ports import (
    Caller,
    Decision,
    DecisionLog,
    RecordFailedError,
    TimeNotAvailableError,
    TrustedClock,
)
from timestamping.authority.unit import TimestampingUnit
from timestamping.clock import Clock, utc_now
from timestamping.request import TimestampRequest

MAX_BATCH = 256
"""Decisions that share one commit."""
MAX_BATCH_SECONDS = 0.025
"""After so long no further query joins a batch: the loop has other work, and callers wait for their answers."""
MIN_COMPLAINT_SECONDS = 5.0
"""Between two lines in the log that say that nothing can be recorded: on a full disk each query would write one."""
_SOMEBODY = Caller()
_log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    query: Query
    done: asyncio.Future[Issued]


class Authority:
    """A timestamping authority with one unit.

    Queries that wait at the same time are decided on in one go: their records share one commit, and code that runs
    many times in a row is still in the processor's caches.
    """

    def __init__(
        self,
        unit: TimestampingUnit,
        clock: Clock | TrustedClock,
        *,
        policies: Policies,
        accuracy: Accuracy = SECOND,
        qualified: bool = False,
        milliseconds: bool = False,
        log: DecisionLog | None = None,
        self_check: bool = False,
        wall_clock: Clock = utc_now,
    ) -> None:
        """Prepare the parts of a token that do not change.

        Args:
            unit: who signs.
            clock: where genTime comes from.
            policies: those served.
            accuracy: stated in every token.
            qualified: whether every token states that it is a qualified one (EN 319 422, clause 9).
            milliseconds: give genTime to the millisecond in place of the second.
            log: where each decision is recorded before its answer leaves; without one nothing is recorded.
            self_check: read and verify each token, with the client's code, before it leaves.
            wall_clock: the times in the record; unlike `clock`, it never refuses.

        Raises:
            ValueError: genTime is coarser than the accuracy that the tokens state (EN 319 422).
        """
        self.unit = unit
        self.policies = policies
        self._clock = clock
        self._log = log
        self._wall_clock = wall_clock
        self._decider = Decider(
            unit,
            clock,
            policies=policies,
            accuracy=accuracy,
            qualified=qualified,
            milliseconds=milliseconds,
            self_check=self_check,
            wall_clock=wall_clock,
        )
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._recording: set[asyncio.Task[None]] = set()
        self._silent_until = 0.0

    def check(self) -> None:
        """Check that the unit may sign now; without a trusted time that is left to each query.

        Raises:
            UnitUnfitError: it may not.
        """
        try:
            now = self._clock()
        except TimeNotAvailableError:
            return
        self.unit.check(now)

    async def reply(self, query: bytes, caller: Caller = _SOMEBODY) -> bytes:
        """Answer a DER query with a DER TimeStampResp, whatever the query holds."""
        issued = await self._decided(Query(query, len(query), caller, self._wall_clock()))
        if issued.token is None:
            reason = FailInfo.SYSTEM_FAILURE if issued.fail_info is None else issued.fail_info
            return rejection(reason, issued.text)
        return der.sequence(GRANTED, issued.token)

    async def issue(self, request: TimestampRequest, caller: Caller = _SOMEBODY, *, query_octets: int = 0) -> Issued:
        """Decide on a request that came in another form than DER; `query_octets` is its size there, for the record."""
        return await self._decided(Query(request, query_octets, caller, self._wall_clock()))

    def _decided(self, query: Query) -> asyncio.Future[Issued]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Issued] = loop.create_future()
        self._waiting.append(_Waiting(query, done))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        return done

    async def _work(self) -> None:
        """Decide until nobody waits."""
        try:
            while self._waiting:
                await self._gather()
                self._batch()
        finally:
            # only a loop that ends leaves somebody waiting
            while self._waiting:
                self._waiting.popleft().done.cancel()

    async def _gather(self) -> None:
        """Let queries that are on their way join, as long as each turn of the loop brings some."""
        seen = 0
        while seen < len(self._waiting) < MAX_BATCH:
            seen = len(self._waiting)
            await asyncio.sleep(0)

    def _batch(self) -> None:
        end = perf_counter() + MAX_BATCH_SECONDS
        callers: list[asyncio.Future[Issued]] = []
        answers: list[Issued] = []
        decisions: list[Decision] = []
        while self._waiting and len(callers) < MAX_BATCH and perf_counter() < end:
            query, done = self._waiting.popleft()
            issued, decision = self._decider.decide(query)
            callers.append(done)
            answers.append(issued)
            decisions.append(decision)
        # the next batch need not wait for the disk
        recording = asyncio.create_task(self._answer(callers, answers, decisions))
        self._recording.add(recording)
        recording.add_done_callback(self._recording.discard)

    async def _answer(
        self, callers: Sequence[asyncio.Future[Issued]], answers: Sequence[Issued], decisions: Sequence[Decision]
    ) -> None:
        """Record a batch, and then answer its callers."""
        try:
            failure = await self._record(decisions)
        except BaseException:
            for done in callers:
                done.cancel()
            raise
        for done, issued in zip(callers, answers, strict=True):
            if not done.done():
                done.set_result(failure or issued)

    async def _record(self, decisions: Sequence[Decision]) -> Issued | None:
        """Record decisions; where that fails, return the refusal that takes the place of every answer."""
        if self._log is None:
            return None
        try:
            await self._log.append(decisions)
        except Exception as error:  # noqa: BLE001 - whatever the reason
            known = isinstance(error, RecordFailedError)
            if (now := perf_counter()) >= self._silent_until:
                self._silent_until = now + MIN_COMPLAINT_SECONDS
                _log.error("Decisions could not be recorded, so that no token leaves: %s", error, exc_info=not known)
            return refused(FailInfo.SYSTEM_FAILURE, "the authority cannot record its decision")
        return None
