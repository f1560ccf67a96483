"""What the guard asks: sources of time, and the kernel."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class TimeSourceError(Exception):
    """A source did not answer, or answered with nothing that can be used; the text says which."""


class Leap(IntEnum):
    """The leap indicator (RFC 5905, figure 9)."""

    NONE = 0
    INSERT = 1
    """The last minute of the month has 61 seconds."""
    DELETE = 2
    """It has 59."""
    UNSYNCHRONISED = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """What one source says of our clock."""

    offset_seconds: float
    """Ours less the source's time."""
    error_seconds: float
    """Bound on the error of that: half the way there and back, and what the source says of itself."""
    leap: Leap = Leap.NONE


class TimeSource(Protocol):
    """Something that knows the time."""

    @property
    def name(self) -> str:
        """The source, as an operator knows it."""

    async def sample(self) -> Sample:
        """Compare our clock with the source.

        Raises:
            TimeSourceError: the source is of no use now.
        """


@dataclass(frozen=True, slots=True)
class KernelClock:
    """How the kernel keeps its clock (adjtimex)."""

    synchronised: bool
    most_error_seconds: float
    """The kernel's bound on its own error."""
    leap: Leap


ReadKernel = Callable[[], KernelClock]
"""Reads the kernel's state; raises OSError where that cannot be had."""
