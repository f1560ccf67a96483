"""What a run gave, as tables for people, as JSON, and as targets met or missed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.plan import Plan
from tests.bench.run import DSS, OURS, Operation, Results, Row

_MB = 1e6
_COMPARED_WITH: dict[Operation, Operation] = {
    "sign": "sign",
    "validate": "validate",
    "release check": "validate",
}
_PEAKS: tuple[Operation, ...] = ("sign", "release check")


@dataclass(frozen=True, slots=True)
class Target:
    """A promise and what was measured."""

    name: str
    limit: float
    measured: float

    @property
    def met(self) -> bool:
        """Tell whether the promise is kept."""
        return self.measured <= self.limit


def targets(plan: Plan, results: Results) -> list[Target]:
    """Compare a run with the targets of its plan."""
    found = []
    for case in plan.cases:
        if case.most_cpu is not None:
            ratio = ratio_to_dss(results, results.row(case.title, "sign", OURS))
            found.append(Target(f"{case.title}: CPU of a signature / DSS", case.most_cpu, ratio))
    for case in plan.cases:
        ratio = ratio_to_dss(results, results.row(case.title, "release check", OURS))
        found.append(Target(f"{case.title}: CPU of the release check / DSS validating", plan.most_release_cpu, ratio))
    for case in plan.cases:
        if case.most_memory_mb is not None:
            for operation in _PEAKS:
                peak = results.row(case.title, operation, OURS).peak_bytes / _MB
                found.append(Target(f"{case.title}: peak memory ({operation}), MB", case.most_memory_mb, peak))
        if case.flat_beside is not None:
            for operation in _PEAKS:
                peak = results.row(case.title, operation, OURS).peak_bytes / _MB
                beside = results.row(case.flat_beside, operation, OURS).peak_bytes / _MB
                name = f"{case.title}: peak memory ({operation}) beyond that at {case.flat_beside}, MB"
                found.append(Target(name, plan.most_growth_mb, peak - beside))
    return found


def ratio_to_dss(results: Results, row: Row) -> float:
    """Return a row's median processor time as a multiple of DSS's for the comparable operation on the same file."""
    compared = results.row(row.file, _COMPARED_WITH[row.operation], DSS)
    return row.cost.cpu_median / compared.cost.cpu_median


def show(plan: Plan, results: Results, reached: Sequence[Target], console: Console) -> None:
    """Print the costs, the targets and what EU DSS says about the signed files."""
    console.print(_costs(plan, results))
    console.print(_promises(reached))
    if results.complaints:
        console.print(f"[bold red]DSS refuses {len(results.complaints)} of {results.judged} signed files:[/]")
        for complaint in results.complaints:
            console.print(complaint, markup=False)
    else:
        console.print(f"DSS accepts all {results.judged} signed files of the last round.")


def as_json(results: Results, reached: Sequence[Target]) -> dict[str, Any]:
    """Return the same for programs; times in milliseconds, memory in octets."""
    return {
        "costs": [asdict(row) for row in results.rows],
        "targets": [{**asdict(target), "met": target.met} for target in reached],
        "judged": results.judged,
        "complaints": results.complaints,
    }


def _costs(plan: Plan, results: Results) -> Table:
    table = Table(title=f"{plan.form}-B-LTA, warm, one at a time; ms of the process, MB = 10^6 octets")
    for name in ("file", "operation", "peer"):
        table.add_column(name)
    for name in ("n", "CPU median", "CPU p95", "wall median", "wall p95", "peak MB", "CPU / DSS"):
        table.add_column(name, justify="right")
    previous = results.rows[0]
    for row in results.rows:
        if row.file != previous.file:
            table.add_section()
        previous = row
        cost = row.cost
        times = (cost.cpu_median, cost.cpu_p95, cost.wall_median, cost.wall_p95)
        table.add_row(
            row.file,
            row.operation,
            row.peer,
            str(cost.count),
            *(f"{time:.1f}" for time in times),
            f"{row.peak_bytes / _MB:.0f}",
            f"{ratio_to_dss(results, row):.3f}" if row.operation in _COMPARED_WITH else "",
        )
    return table


def _promises(reached: Sequence[Target]) -> Table:
    table = Table(title="Targets")
    table.add_column("target")
    for name in ("at most", "measured", ""):
        table.add_column(name, justify="right")
    for target in reached:
        verdict = "[green]pass[/]" if target.met else "[bold red]FAIL[/]"
        table.add_row(target.name, f"{target.limit:g}", f"{target.measured:.3g}", verdict)
    return table
