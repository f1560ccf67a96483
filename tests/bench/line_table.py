"""What a run of the line gave, as Markdown for people, as JSON, and as targets met or missed."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.bench.line_load import DOCUMENTS, SIGNERS, Alone, Load
from tests.bench.line_signers import DIGEST, STEPS, STORED
from tests.bench.measure import Sample, Summary
from tests.bench.table import Target

_MB: Final = 1e6
_SMALL: Final = "50 kB"
_GATEWAY: Final = ("web", "worker", DOCUMENTS)
_STORED_SECONDS: Final = 1.2
_ANSWER_SECONDS: Final = 3.0
_TRUST_NOTE: Final = """\
Time at the trust services is measured inside the demo PKI's process: from the first to the last octet of a request in
its ASGI application, summed over the measured time by kind of request. "Without" is each figure less the mean for one
signature: one OCSP request for `certificate to digest`, everything else for `value to stored LTA`. The way to the
services and back, and waiting for a core before they begin, stay in."""


@dataclass(frozen=True)
class Results:
    """What a run gave."""

    engine: Alone
    one: Load
    """One signer, no think time."""
    many: Load

    @property
    def targets(self) -> list[Target]:
        """The promises, in seconds (FTS-SIG-8)."""
        many = self.many
        stored = [seconds for step, document, seconds in many.samples if (step, document) == (STORED, _SMALL)]
        found = [Target("p95 from the value to the stored LTA document, 50 kB, s", _STORED_SECONDS, _p95(stored))]
        worst = max((_p95(seconds), step, document) for (step, document), seconds in _grouped(many).items())
        name = f"p95 of every page and API step, s (slowest: {worst[1]}, {worst[2]})"
        return [*found, Target(name, _ANSWER_SECONDS, worst[0])]


def show(results: Results) -> str:
    """Return the whole report."""
    many, one = results.many, results.one
    return "\n\n".join(
        [
            f"## The line with {many.signers} signers",
            _steps(many, one),
            _TRUST_NOTE,
            _trust(results),
            _cost(many),
            _engine(results),
            _promises(results.targets),
        ]
    )


def as_json(results: Results) -> dict[str, Any]:
    """Return the same for programs; seconds, octets."""
    return {
        **{
            name: {
                "signers": load.signers,
                "seconds": load.seconds,
                "completed": load.report.completed,
                "errors": load.report.errors,
                "level": load.level,
                "trust": asdict(load.trust),
                "uses": {part: asdict(use) for part, use in load.uses.items()},
                "steps": [
                    {"step": step, "document": document, "n": len(seconds), **_percentiles(seconds)}
                    for (step, document), seconds in _grouped(load).items()
                ],
            }
            for name, load in (("one", results.one), ("many", results.many))
        },
        "engine": {
            "sign": asdict(Summary.of(results.engine.sign)),
            "release": asdict(Summary.of(results.engine.release)),
            "trust": asdict(results.engine.trust),
        },
        "targets": [{**asdict(target), "met": target.met} for target in results.targets],
    }


def _steps(many: Load, one: Load) -> str:
    alone = _grouped(one)
    rows = []
    for key, seconds in _grouped(many).items():
        step, document = key
        own = alone.get(key)
        rows.append(
            [
                step,
                document,
                str(len(seconds)),
                *_milliseconds(statistics.median(seconds), _p95(seconds), max(seconds)),
                *_milliseconds(*([max(0.0, f(seconds) - _at_trust(many, step)) for f in (statistics.median, _p95)])),
                _milliseconds(statistics.median(own))[0] if own else "",
            ]
        )
    head = ["step (ms)", "document", "n", "p50", "p95", "max", "p50 without", "p95 without", "p50, one signer alone"]
    return _table(head, rows)


def _trust(results: Results) -> str:
    rows = []
    for name, load, signatures in (
        (f"{results.many.signers} signers", results.many.trust, results.many.report.completed),
        ("one signer alone", results.one.trust, results.one.report.completed),
        ("engine alone", results.engine.trust, len(results.engine.sign)),
    ):
        for kind, spent in (("timestamps", load.timestamps), ("OCSP", load.ocsp), ("CRL, CA", load.others)):
            rate = f"{spent.requests / max(signatures, 1):.2f}"
            rows.append(
                [name, kind, rate, f"{spent.mean * 1000:.2f}", f"{spent.seconds / max(signatures, 1) * 1000:.2f}"]
            )
    return _table(["trust services", "kind", "requests per signature", "ms each", "ms per signature"], rows)


def _cost(load: Load) -> str:
    rows = []
    for part in (*_GATEWAY, "trust services", SIGNERS):
        use = load.uses[part]
        share = use.cpu_seconds / load.seconds
        rows.append([part, f"{load.cpu_ms(part):.1f}", f"{share:.2f}", f"{use.peak_bytes / _MB:.0f}"])
    rows.append(["**gateway**", f"**{load.cpu_ms(*_GATEWAY):.1f}**", "", ""])
    counted = sum(load.report.errors.values())
    errors = "; ".join(f"{count} x {text}" for text, count in load.report.errors.items())
    sentence = (
        f"{load.report.completed} signatures in {load.seconds:.0f} s: {load.report.completed / load.seconds:.2f} per "
        f"second; {counted} errors{f' ({errors})' if errors else ''}; the last document is at level {load.level}."
    )
    table = _table(["part", "CPU ms per signature", "cores busy", "peak MB of a process"], rows)
    return f"{sentence}\n\n{table}"


def _engine(results: Results) -> str:
    """Compare with the bare engine, which prepares, signs and finishes, and with its release check."""
    engine, one, many = results.engine, results.one, results.many
    rows = [
        _engine_row("engine alone: prepare, sign, finish", engine.sign),
        _engine_row("engine alone: release check", engine.release),
    ]
    for name, load in (("line, one signer alone", one), (f"line, {many.signers} signers", many)):
        steps = [_grouped(load)[step, _SMALL] for step in (DIGEST, STORED)]
        cpu = load.cpu_ms(*_GATEWAY)
        wall = sum(statistics.median(seconds) for seconds in steps)
        rows.append([f"{name}: certificate to digest, value to stored LTA", f"{wall * 1000:.1f}", "", f"{cpu:.1f}"])
    bare = [statistics.fmean(s.cpu_ms for s in samples) for samples in (engine.sign, engine.release)]
    walls = [statistics.median(s.wall_ms for s in samples) for samples in (engine.sign, engine.release)]
    wall, cpu = float(rows[2][1]), one.cpu_ms(*_GATEWAY)
    sentence = (
        f"Of the {wall:.0f} ms that one signer alone waits, {sum(walls):.0f} ms are the engine and its release check; "
        f"the line above them takes {1 - sum(walls) / wall:.0%}. Of the {cpu:.0f} ms of processor time, which include "
        f"inspection, picture and all requests, {sum(bare):.0f} ms are theirs ({1 - sum(bare) / cpu:.0%} above)."
    )
    return f"{_table(['50 kB', 'p50 ms', 'p95 ms', 'CPU ms per signature'], rows)}\n\n{sentence}"


def _engine_row(name: str, samples: Sequence[Sample]) -> list[str]:
    found = Summary.of(samples)
    return [name, f"{found.wall_median:.1f}", f"{found.wall_p95:.1f}", f"{found.cpu_mean:.1f}"]


def _promises(targets: Sequence[Target]) -> str:
    rows = [[t.name, f"{t.limit:g}", f"{t.measured:.3g}", "met" if t.met else "**missed**"] for t in targets]
    return _table(["target (FTS-SIG-8)", "at most", "measured", ""], rows)


def _at_trust(load: Load, step: str) -> float:
    """Return the mean seconds at the trust services that belong to a step of one signature."""
    if step == DIGEST:
        return load.trust.ocsp.mean
    if step == STORED:
        spent = load.trust
        total = spent.timestamps.seconds + spent.ocsp.seconds + spent.others.seconds
        return max(0.0, total / max(load.report.completed, 1) - spent.ocsp.mean)
    return 0.0


def _grouped(load: Load) -> dict[tuple[str, str], list[float]]:
    """Return the seconds of each step and document, in the order of a signing."""
    found: dict[tuple[str, str], list[float]] = {}
    for step, document, seconds in load.samples:
        found.setdefault((step, document), []).append(seconds)
    return dict(sorted(found.items(), key=lambda item: (item[0][1] != _SMALL, STEPS.index(item[0][0]))))


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    return {"p50": statistics.median(seconds), "p95": _p95(seconds), "max": max(seconds)}


def _p95(seconds: Iterable[float]) -> float:
    """Return the 95th percentile by nearest rank; infinite where nothing was measured."""
    values = [Sample(0.0, value) for value in seconds]
    return Summary.of(values).wall_p95 if values else float("inf")


def _milliseconds(*seconds: float) -> list[str]:
    return [f"{value * 1000:.0f}" for value in seconds]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))
