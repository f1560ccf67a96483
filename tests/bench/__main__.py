"""`python -m tests.bench`: what a PAdES- or XAdES-B-LTA signature costs, next to EU DSS and plain pyHanko."""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.bench.measure import MachineLoad
from tests.bench.peers import PeerError
from tests.bench.plan import Form, Plan
from tests.bench.run import Results, Run
from tests.bench.scene import scene
from tests.bench.table import Target, as_json, show, targets
from tests.oracles.build import REMEDY
from tests.oracles.oracle import Oracle, OracleError, oracle_available
from timestamping.clock import utc_now

_WIDTH = 130
_FORMS: Final[Mapping[str, Sequence[Form]]] = {"all": ("PAdES", "XAdES"), "pades": ("PAdES",), "xades": ("XAdES",)}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit status: 1 where a peer failed or DSS refuses a file, or by --strict."""
    options = _parser().parse_args(arguments)
    if not oracle_available():
        print(f"benchmark: {REMEDY}", file=sys.stderr)
        return 1
    plans = [Plan.of(form, quick=options.quick) for form in _FORMS[options.form]]
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    found: list[tuple[Plan, Results, list[Target]]] = []
    versions: dict[str, object] = {}
    started, load_before, machine = utc_now(), os.getloadavg(), MachineLoad()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as name,
            scene(Path(name), options.key) as stage,
        ):
            for plan in plans:
                # a Java process of its own, so that its peak is that of one form
                with tempfile.TemporaryDirectory(dir=name) as directory, Oracle() as oracle:
                    versions = asdict(oracle.ping())
                    results = Run(plan, stage, oracle, Path(directory)).measure()
                found.append((plan, results, targets(plan, results)))
    except (PeerError, OracleError, OSError, RuntimeError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    others = machine.others()
    for plan, results, reached in found:
        show(plan, results, reached, console)
    seconds = (utc_now() - started).total_seconds()
    cores = os.cpu_count()
    console.print(
        f"{options.key}; {'quick run, DSS is not warm; ' if options.quick else ''}{seconds:.0f} s; {cores} cores, of "
        f"which other processes kept {others:.2f} busy; load average {load_before[0]:.2f} before, "
        f"{os.getloadavg()[0]:.2f} after",
        highlight=False,
    )
    if options.json:
        report: dict[str, object] = {
            "started": started.isoformat(),
            "seconds": seconds,
            "quick": options.quick,
            "key": options.key,
            "versions": {
                **versions,
                "python": platform.python_version(),
                "pyhanko": importlib.metadata.version("pyhanko"),
            },
            "machine": {"cores": cores, "busy_with_others": others, "load_before": load_before[0]},
            **{plan.form: as_json(results, reached) for plan, results, reached in found},
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    missed = not all(target.met for _, _, reached in found for target in reached)
    refused = any(results.complaints for _, results, _ in found)
    return 1 if refused or (options.strict and missed) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Processor time, elapsed time and peak memory of a signature at LTA, and of the checks around it: "
        "PAdES for files of 50 kB, 2 MB and 50 MB, XAdES for 10 kB and 1 MB enveloped, 1 MB and 50 MB detached; this "
        "engine, EU DSS and, for PDF, plain pyHanko in alternating rounds, with the same key, authorities and files.",
    )
    parser.add_argument("--form", choices=tuple(_FORMS), default="all", help="which signatures")
    parser.add_argument("--quick", action="store_true", help="a short run that shows that everything works")
    parser.add_argument("--key", choices=("p384", "rsa3072"), default="p384", help="the signer's key")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="where a temporary directory of 1 GB has room (default: TMPDIR)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
