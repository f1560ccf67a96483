"""What is measured, how often, and what it should cost at most."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from tests.samples.sound import LARGE, SOUND


@dataclass(frozen=True, slots=True)
class Case:
    """One file."""

    title: str
    generator: Callable[[], bytes]
    signatures: int
    """Signatures of each peer in one round."""
    checks: int
    """Release checks, admissions and validations in one round."""
    most_cpu: float
    """Target: processor time of our signature as a multiple of EU DSS's."""
    most_memory_mb: float | None = None
    """Target: peak of our processes, in 10^6 octets."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run; files in ascending order of size, since the peak of the Java process only grows."""

    cases: tuple[Case, ...]
    rounds: int
    dss_signatures_before: int
    """Signatures of DSS on the first file before anything is measured: its compiler needs some hundreds."""
    dss_validations_before: int
    """Validations by DSS on the first file before validation is measured."""
    warm_up: int
    """Operations of each peer on each file before its first measured round."""
    most_release_cpu: float = 1.5
    """Target: processor time of our release check as a multiple of DSS validating the same file."""

    @classmethod
    def full(cls) -> Self:
        """Return the plan whose figures count."""
        return cls(_cases((40, 10, 3), (20, 6, 3)), 3, 600, 150, 5)

    @classmethod
    def quick(cls) -> Self:
        """Return a plan that shows that everything runs; DSS is not warm in it."""
        return cls(_cases((10, 3, 1), (5, 2, 1)), 3, 100, 30, 2)


def _cases(signatures: tuple[int, int, int], checks: tuple[int, int, int]) -> tuple[Case, ...]:
    small, pages, large = signatures
    small_checks, pages_checks, large_checks = checks
    return (
        Case("50 kB", SOUND["fifty_kb"], small, small_checks, 1.3),
        Case("2 MB, 550 pages", SOUND["many_pages"], pages, pages_checks, 0.35),
        Case("50 MB", LARGE["large_50mb"], large, large_checks, 0.05, most_memory_mb=200),
    )
