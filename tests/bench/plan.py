"""What is measured, how often, and what it should cost at most."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Self

from signing.xades.ports import Packaging
from tests.bench.xml_documents import invoice, octets
from tests.samples.sound import LARGE, SOUND

Form = Literal["PAdES", "XAdES"]


@dataclass(frozen=True, slots=True)
class Case:
    """One file."""

    title: str
    generator: Callable[[], bytes]
    signatures: int
    """Signatures of each peer in one round."""
    checks: int
    """Release checks, admissions and validations in one round."""
    most_cpu: float | None = None
    """Target: processor time of our signature as a multiple of EU DSS's."""
    most_memory_mb: float | None = None
    """Target: peak of our processes, in 10^6 octets."""
    flat_beside: str | None = None
    """Title of an earlier case with a smaller file, beyond whose peak ours may hardly go."""
    packaging: Packaging | None = None
    """Where the XAdES signature stands; None for PDF."""

    @property
    def suffix(self) -> str:
        """Suffix of the document's file name."""
        if self.packaging is None:
            return ".pdf"
        return ".bin" if self.packaging.is_detached else ".xml"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run; files in ascending order of size, since the peak of the Java process only grows."""

    form: Form
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
    most_growth_mb: float = 4
    """Target: how far our peak may go beyond that of the case that it is to be as flat as, in 10^6 octets."""

    @classmethod
    def of(cls, form: Form, *, quick: bool) -> Self:
        """Return the plan whose figures count, or a quick one, which shows that all runs; DSS is not warm in it."""
        match form, quick:
            case "PAdES", True:
                return cls(form, _pdf((10, 3, 1), (5, 2, 1)), 3, 100, 30, 2)
            case "PAdES", False:
                return cls(form, _pdf((40, 10, 3), (20, 6, 3)), 3, 600, 150, 5)
            case _, True:
                return cls(form, _xml((10, 3, 3, 1), (5, 2, 2, 1)), 3, 100, 30, 2)
            case _:
                return cls(form, _xml((40, 10, 20, 4), (20, 6, 10, 4)), 5, 600, 150, 5)


def _pdf(signatures: tuple[int, int, int], checks: tuple[int, int, int]) -> tuple[Case, ...]:
    small, pages, large = signatures
    small_checks, pages_checks, large_checks = checks
    return (
        Case("50 kB", SOUND["fifty_kb"], small, small_checks, 1.3),
        Case("2 MB, 550 pages", SOUND["many_pages"], pages, pages_checks, 0.35),
        Case("50 MB", LARGE["large_50mb"], large, large_checks, 0.05, most_memory_mb=200),
    )


def _xml(signatures: tuple[int, int, int, int], checks: tuple[int, int, int, int]) -> tuple[Case, ...]:
    enveloped, detached = Packaging.ENVELOPED, Packaging.DETACHED
    beside = "1 MB, detached"
    return (
        Case("10 kB, enveloped", partial(invoice, 10_000), signatures[0], checks[0], 1.0, packaging=enveloped),
        Case("1 MB, enveloped", partial(invoice, 1_000_000), signatures[1], checks[1], 0.4, packaging=enveloped),
        Case(beside, partial(octets, 1_000_000), signatures[2], checks[2], packaging=detached),
        Case(
            "50 MB, detached",
            partial(octets, 50_000_000),
            signatures[3],
            checks[3],
            flat_beside=beside,
            packaging=detached,
        ),
    )
