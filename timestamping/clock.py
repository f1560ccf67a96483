"""The one injected clock: every engine asks a `Clock` for the time, never the system."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time, timezone-aware, in UTC."""


def utc_now() -> datetime:
    """Return the system's time in UTC."""
    return datetime.now(UTC)
