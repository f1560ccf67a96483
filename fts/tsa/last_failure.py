"""Whether the authority gives tokens: what its last decisions came to, for those who ask before they send a caller."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from timestamping.authority.ports import Decision, DecisionLog, RecordFailedError

TOLD_SECONDS: Final = 10.0
"""So long after a failure it is told; then a caller may come and try whether it is over."""


class NotedLog:
    """A decision log that notes failures of the authority itself: of the record, of the key, of its own check."""

    def __init__(self, log: DecisionLog, clock: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._clock = clock
        self._failure: tuple[float, str] | None = None

    async def append(self, decisions: Sequence[Decision]) -> None:
        """Record decisions (see `DecisionLog`)."""
        try:
            await self._log.append(decisions)
        except RecordFailedError as error:
            self._failure = (self._clock(), str(error))
            raise
        for decision in decisions:
            if decision.fail_info is None:
                self._failure = None
            elif decision.fail_info == "systemFailure":
                self._failure = (self._clock(), "the last query ended in systemFailure; the log says why")

    @property
    def failure(self) -> str | None:
        """Why the last decisions gave no token; None where they did, or it was a while ago."""
        if self._failure is None or self._clock() - self._failure[0] > TOLD_SECONDS:
            return None
        return self._failure[1]
