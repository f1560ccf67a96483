"""What became of one request to one authority, and the error that lists all of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from timestamping.ports import (
    TimestampError,
    TimestampInvalidError,
    TimestampRejectedError,
    TimestampUnavailableError,
)

_PASSING: Final = frozenset({"timeNotAvailable", "systemFailure"})
"""Refusals that may be over at the next request (RFC 3161, clause 2.4.2)."""
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERRORS: Final = 500


class Outcome(StrEnum):
    """The kind of a failed attempt."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    HTTP_STATUS = "http-status"
    NO_REPLY = "no-reply"
    """An answer that is no timestamp reply."""
    REJECTED = "rejected"
    INVALID = "invalid"
    LEFT_ALONE = "left-alone"
    """Not asked: it failed repeatedly just now."""
    RATE = "rate"
    """Not asked: our own rate for it is used up."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, or one that was not made."""

    party: str
    """URL of the authority."""
    outcome: Outcome
    error: TimestampError
    seconds: float

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed soon."""
        error = self.error
        if isinstance(error, TimestampRejectedError):
            return bool(error.fail_info & _PASSING)
        if isinstance(error, TimestampUnavailableError):
            if (status := error.http_status) is None:
                return error.unreachable
            return status == _TOO_MANY_REQUESTS or status >= _SERVER_ERRORS
        return False

    @property
    def counts_against(self) -> bool:
        """Whether the authority failed, and not our request.

        A status such as 400 or 403 counts as well: authorities say so to whom they block or do not know, each time.
        """
        return self.outcome in (Outcome.NO_REPLY, Outcome.INVALID, Outcome.HTTP_STATUS) or self.may_pass


def outcome_of(error: TimestampError) -> Outcome:
    """Return the kind of an error."""
    if isinstance(error, TimestampRejectedError):
        return Outcome.REJECTED
    if isinstance(error, TimestampUnavailableError):
        if error.http_status is not None:
            return Outcome.HTTP_STATUS
        if error.timed_out:
            return Outcome.TIMEOUT
        return Outcome.UNREACHABLE if error.unreachable else Outcome.NO_REPLY
    return Outcome.INVALID


def failure(attempts: list[Attempt]) -> TimestampError:
    """Return the error of a timestamp that could not be had: of one kind if all attempts were, naming each of them."""
    errors = [attempt.error for attempt in attempts]
    parties = list(dict.fromkeys(attempt.party for attempt in attempts))
    told = list(dict.fromkeys(str(error) for error in errors))
    for kind in (TimestampRejectedError, TimestampInvalidError):
        if all(isinstance(error, kind) for error in errors):
            found: TimestampError = kind("; ".join(told), party=", ".join(parties))
            break
    else:
        found = TimestampUnavailableError("; ".join(told), party=", ".join(parties))
    found.attempts = tuple(attempts)
    return found
