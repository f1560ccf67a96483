"""What several sources say together: the interval that enough of them cover (after Marzullo; RFC 5905, clause 11.2.1).

As a quorum is more than half of the sources, each point that a quorum covers is covered by an honest one: liars in the
minority can neither make a wrong clock good nor move the interval out of what honest sources say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from timestamping.authority.clock.ports import Leap, Sample


@dataclass(frozen=True, slots=True)
class Agreement:
    """An interval that holds the true offset."""

    low_seconds: float
    high_seconds: float
    leap: Leap
    """What a quorum announces."""

    @property
    def offset_seconds(self) -> float:
        """The middle."""
        return (self.low_seconds + self.high_seconds) / 2

    @property
    def error_seconds(self) -> float:
        """Half the width."""
        return (self.high_seconds - self.low_seconds) / 2


def agree(samples: Sequence[Sample], quorum: int) -> Agreement | None:
    """Return the hull of all points that at least `quorum` samples cover; None where there is no such point."""
    # a beginning sorts before an end at the same place: intervals that touch do overlap
    edges = sorted(
        [(each.offset_seconds - each.error_seconds, 0) for each in samples]
        + [(each.offset_seconds + each.error_seconds, 1) for each in samples]
    )
    covered, low, high = 0, None, None
    for place, is_end in edges:
        if not is_end:
            covered += 1
            if covered >= quorum and low is None:
                low = place
        else:
            if covered >= quorum:
                high = place
            covered -= 1
    if low is None or high is None:
        return None
    leaps = [each.leap for each in samples]
    announced = (kind for kind in (Leap.INSERT, Leap.DELETE) if leaps.count(kind) >= quorum)
    return Agreement(low, high, next(announced, Leap.NONE))
