"""The clock of the demo relying party, and times as people read them."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time, aware of its zone."""


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def readable(value: object, form: str) -> str:
    """Return an RFC 3339 time in a language's form, in UTC; what is no time is returned as it stands."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return moment.astimezone(UTC).strftime(form)
