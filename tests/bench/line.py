"""`python -m tests.bench.line`: what a signature through the gateway costs, and how long people wait."""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tests.bench.line_load import engine_alone, signers
from tests.bench.line_stage import line_stage
from tests.bench.line_table import Results, as_json, show
from tests.bench.measure import MachineLoad
from tests.bench.scene import write_documents
from tests.samples.sound import SOUND

_THINK_SECONDS = 2.0


@dataclass(frozen=True)
class LinePlan:
    """How many, and how long."""

    signers: int
    warm_up_seconds: float
    seconds: float
    alone_seconds: float
    """Of one signer without think time."""
    engine: int
    """Signatures of the engine alone."""

    @classmethod
    def full(cls) -> Self:
        """Return the plan whose figures count."""
        return cls(50, 8.0, 60.0, 10.0, 60)

    @classmethod
    def quick(cls) -> Self:
        """Return a plan that shows that everything runs."""
        return cls(20, 6.0, 15.0, 4.0, 20)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit status: 1 where a step failed, or by --strict."""
    options = _parser().parse_args(arguments)
    plan = LinePlan.quick() if options.quick else LinePlan.full()
    start, machine = time.monotonic(), MachineLoad()

    def say(what: str) -> None:
        print(f"{time.monotonic() - start:6.1f} s  {what}", file=sys.stderr, flush=True)

    try:
        with tempfile.TemporaryDirectory(prefix="bench-line-") as name:
            directory = Path(name)
            generators = {"small.pdf": SOUND["fifty_kb"], "large.pdf": SOUND["many_pages"]}
            small, large = write_documents(directory, generators).values()
            say("starting trust services and gateway")
            with line_stage(directory) as stage:
                say(f"the engine alone: {plan.engine} signatures")
                engine = engine_alone(stage, small, plan.engine)
                say(f"one signer alone, without think time: {plan.alone_seconds:g} s")
                one = signers(stage, small, large, 1, 0.0, 2.0, plan.alone_seconds)
                say(f"{plan.signers} signers: {plan.warm_up_seconds:g} s warm-up, {plan.seconds:g} s measured")
                many = signers(stage, small, large, plan.signers, _THINK_SECONDS, plan.warm_up_seconds, plan.seconds)
    except (OSError, RuntimeError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    results = Results(engine, one, many)
    print(show(results))
    print(
        f"{'Quick run; ' if options.quick else ''}{time.monotonic() - start:.0f} s on {os.cpu_count()} cores, of which "
        f"processes outside the benchmark kept {machine.others():.2f} busy."
    )
    if options.json:
        report = {"plan": asdict(plan), "quick": options.quick, **as_json(results)}
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    failed = bool(many.report.errors or one.report.errors) or many.level != "LTA"
    missed = not all(target.met for target in results.targets)
    return 1 if failed or (options.strict and missed) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.line",
        description="Waiting times, throughput, processor time and memory of the gateway with 50 signers who think for "
        "2 s on average between two steps; beside it one signer alone, and the bare engine.",
    )
    parser.add_argument("--quick", action="store_true", help="20 signers for 15 s: shows that everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
