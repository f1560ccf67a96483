"""What a run of the authority's benchmark gave, as Markdown, as JSON, and as targets met or missed."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.bench.tsa_wrk import Burst

SIGSTORE: Final = "sigstore, P-256 in memory"
_LEAST_SIGSTORE: Final = 3.0
_LEAST_RAW: Final = {("rsa3072", "file"): 0.9, ("rsa4096", "file"): 0.95, ("p256", "softhsm"): 0.6}
_MOST_P99: Final = 2.0


@dataclass(frozen=True, slots=True)
class Raw:
    """Bare signatures on the server's core, per second and per second of processor time."""

    rate: float
    cpu_rate: float


@dataclass(slots=True)
class Row:
    """One authority, measured in every round."""

    name: str
    key: str
    store: str
    workers: int
    bursts: list[Burst] = field(default_factory=list)
    raw: list[Raw] = field(default_factory=list)
    """Measured beside each burst."""

    @property
    def rate(self) -> float:
        """Median of tokens per second."""
        return statistics.median(burst.rate for burst in self.bursts)

    @property
    def raw_ratio(self) -> float:
        """Median over the rounds of tokens per bare signature; nan where none was measured."""
        return statistics.median([burst.rate / raw.rate for burst, raw in self._pairs] or [float("nan")])

    @property
    def raw_cpu_ratio(self) -> float:
        """As `raw_ratio`, both per second of processor time."""
        return statistics.median([burst.cpu_rate / raw.cpu_rate for burst, raw in self._pairs] or [float("nan")])

    @property
    def cpu_rate(self) -> float:
        """Median of tokens per second of processor time."""
        return statistics.median(burst.cpu_rate for burst in self.bursts)

    @property
    def _pairs(self) -> list[tuple[Burst, Raw]]:
        return list(zip(self.bursts, self.raw, strict=True)) if self.raw else []

    def p(self, name: str) -> float:
        """Median of a percentile, milliseconds."""
        return float(statistics.median(getattr(burst, name) for burst in self.bursts))


@dataclass(frozen=True, slots=True)
class Promise:
    """A target and what was measured."""

    name: str
    at_least: float | None
    at_most: float | None
    measured: float

    @property
    def met(self) -> bool:
        """Tell whether it is kept."""
        if self.at_least is not None:
            return self.measured >= self.at_least
        return self.at_most is not None and self.measured <= self.at_most


def promises(rows: Sequence[Row], connections: int) -> list[Promise]:
    """Compare with the targets (FTS-TS-1); those of what was not measured are absent."""
    found = []
    peer = next((row for row in rows if row.name == SIGSTORE), None)
    for row in rows:
        if row.workers != 1 or row is peer:
            continue
        if peer is not None and (row.key, row.store) == ("p256", "file"):
            ratios = [own.rate / other.rate for own, other in zip(row.bursts, peer.bursts, strict=True)]
            found.append(Promise(f"{row.name} / sigstore", _LEAST_SIGSTORE, None, statistics.median(ratios)))
        least = _LEAST_RAW.get((row.key, row.store))
        if least is not None:
            found.append(Promise(f"{row.name} / bare signatures", least, None, row.raw_ratio))
        shares = [burst.p99_ms / 1000 * burst.rate / connections for burst in row.bursts]
        found.append(Promise(f"{row.name}: p99 x throughput / connections", None, _MOST_P99, statistics.median(shares)))
    return found


def show(rows: Sequence[Row], kept: Sequence[Promise]) -> str:
    """Return both tables."""
    peer = next((row for row in rows if row.name == SIGSTORE), None)
    lines = []
    for row in rows:
        times = [f"{row.p(name):.1f}" for name in ("p50_ms", "p95_ms", "p99_ms")]
        cells = [""] * 3
        if row.raw:
            bare = statistics.median(raw.rate for raw in row.raw)
            cells = [f"{bare:.0f}", f"{row.raw_ratio:.2f}", f"{row.raw_cpu_ratio:.2f}"]
        beside = ["", ""]
        if peer is not None and (row.key, row.store) == ("p256", "file"):
            beside = [f"{row.rate / peer.rate:.2f}", f"{row.cpu_rate / peer.cpu_rate:.2f}"]
        lines.append([row.name, str(row.workers), f"{row.rate:.0f}", f"{row.cpu_rate:.0f}", *times, *cells, *beside])
    head = ["authority", "workers", "tokens/s", "tokens/CPU s", "p50 ms", "p95 ms", "p99 ms"]
    head += ["bare/s", "/ bare", "/ bare, CPU", "/ sigstore", "/ sigstore, CPU"]
    targets = [
        [
            promise.name,
            f">= {promise.at_least:g}" if promise.at_least is not None else f"<= {promise.at_most:g}",
            f"{promise.measured:.2f}",
            "met" if promise.met else "**missed**",
        ]
        for promise in kept
    ]
    return f"{_table(head, lines)}\n\n{_table(['target (FTS-TS-1)', 'limit', 'measured', ''], targets)}"


def as_json(rows: Sequence[Row], kept: Sequence[Promise]) -> dict[str, Any]:
    """Return the same for programs, round by round; tokens per second, milliseconds."""
    return {
        "rows": [asdict(row) for row in rows],
        "targets": [{**asdict(promise), "met": promise.met} for promise in kept],
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))
