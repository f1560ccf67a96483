"""Every bound of the clock guard, with its unit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClockLimits:
    """What the authority's time may deviate, and how long a check is good."""

    most_deviation_seconds: float = 0.5
    """Largest offset from the sources, their error included: less than the declared accuracy (EN 319 421, 7.7.2)."""
    most_step_seconds: float = 0.1
    """Largest difference between wall time and elapsed time since the last check."""
    interval_seconds: float = 60.0
    """Time between two checks."""
    retry_seconds: float = 5.0
    """Time to the next check after a bad one."""
    valid_seconds: float = 180.0
    """How long a good check is good."""
    answer_seconds: float = 2.0
    """Time that a source has to answer."""
    leap_pause_seconds: float = 1.5
    """Time before and after the end of a month with a leap second in which no time is told."""
    most_source_error_seconds: float = 0.5
    """A source that is less certain than this is not counted."""
