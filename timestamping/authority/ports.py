"""What the authority needs from outside: a clock that it may trust, and a place where every decision is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class TimeNotAvailableError(Exception):
    """Raised by the authority's clock while its time cannot be trusted; the authority answers `timeNotAvailable`."""


class RecordFailedError(Exception):
    """A decision could not be recorded durably; the authority answers `systemFailure` and no token leaves."""


class ClockState(StrEnum):
    """What the clock guard found last."""

    GOOD = "good"
    UNKNOWN = "unknown"
    """Not checked yet, or too few sources answered."""
    UNSYNCHRONISED = "unsynchronised"
    """The kernel says that nothing keeps its clock."""
    DEVIATING = "deviating"
    """The sources agree on a time that ours is too far from."""
    STEPPED = "stepped"
    """Wall time and elapsed time disagree since the last check."""
    LEAP_PAUSE = "leap-pause"
    """A leap second is being inserted or deleted."""


@dataclass(frozen=True, slots=True)
class ClockSnapshot:
    """The result of one check of the clock; immutable, and good for a limited time only."""

    number: int
    """Counts the checks of this process."""
    state: ClockState
    offset_seconds: float | None
    """Ours less the sources' time; None where too few answered."""
    error_seconds: float | None
    """Bound on the error of `offset_seconds`."""
    sources: tuple[str, ...]
    """Those that answered."""
    checked_at: datetime
    """By our own clock, UTC."""
    valid_until: float
    """On the monotonic clock, in seconds."""


class TrustedClock(Protocol):
    """A clock that refuses to tell a time that it cannot stand for."""

    @property
    def snapshot(self) -> ClockSnapshot:
        """The last check."""

    def __call__(self) -> datetime:
        """Return the time, UTC.

        Raises:
            TimeNotAvailableError: there is no fresh good snapshot, or the clock was stepped since.
        """


class Caller(NamedTuple):
    """Who asked, as far as the door knows."""

    client_id: str | None = None
    address: str | None = None
    reference: str | None = None
    """Of the request; the same that the answer carries."""


class Decision(NamedTuple):
    """The record of one query, granted or refused (EN 319 421, clause 7.12)."""

    received_at: datetime
    decided_at: datetime
    caller: Caller
    query_octets: int
    imprint_algorithm: str | None
    """Dotted identifier; None where the query could not be read. So below."""
    imprint: bytes | None
    policy_asked: str | None
    nonce: int | None
    certificates_asked: bool | None
    extensions_asked: bool | None
    fail_info: str | None
    """Name in RFC 3161; None where a token was granted."""
    serial_number: int | None
    gen_time: datetime | None
    policy: str | None
    unit: str | None
    """SHA-256 of the unit's certificate, hexadecimal."""
    snapshot: ClockSnapshot | None
    signing_seconds: float | None
    token_sha256: bytes | None


class DecisionLog(Protocol):
    """Where decisions are kept. Appending returns when they are durable; many waiting callers share one commit."""

    async def append(self, decisions: Sequence[Decision]) -> None:
        """Record decisions.

        Raises:
            RecordFailedError: they are not recorded.
        """
