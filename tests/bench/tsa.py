"""`python -m tests.bench.tsa`: tokens per second over HTTP beside sigstore's authority and beside bare signatures.

Ours keeps its records. The authority has one core and `wrk` the other; with two workers they share both. Everything is
measured in turn, round by round; figures are medians. OpenSSL verifies a token before and after each measurement.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.bench.measure import MachineLoad
from tests.bench.tsa_servers import SIGSTORE, SIGSTORE_REMEDY, BenchError, Query, Served, need, ours, sigstore
from tests.bench.tsa_table import SIGSTORE as SIGSTORE_NAME
from tests.bench.tsa_table import Raw, Row, as_json, promises, show
from tests.bench.tsa_wrk import load

_KEYS = {"p256": "P-256", "rsa3072": "RSA-3072", "rsa4096": "RSA-4096"}
_STORES = {"file": "in memory", "softhsm": "SoftHSM"}
_SERVER, _CLIENT, _BOTH = "0", "1", "0,1"
_WARM_SECONDS = 1.0


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit status: by --strict 1 where a target is missed, 2 where it cannot run."""
    options = _parser().parse_args(arguments)
    seconds, rounds = (1.0, 1) if options.quick else (options.seconds, options.rounds)
    start, machine = time.monotonic(), MachineLoad()

    def say(what: str) -> None:
        print(f"{time.monotonic() - start:6.1f} s  {what}", file=sys.stderr, flush=True)

    try:
        if (os.cpu_count() or 1) < 2:
            raise BenchError("two cores are needed: one for the authority, one for wrk")
        for program, package in (("wrk", "wrk"), ("openssl", "openssl"), ("taskset", "util-linux")):
            need(program, package)
        with tempfile.TemporaryDirectory(prefix="bench-tsa-") as name:
            rows = _measured(Path(name), options, seconds, rounds, say)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    kept = promises(rows, options.connections)
    if options.json:
        options.json.write_text(json.dumps(as_json(rows, kept), indent=2))
    print(
        f"\n{rounds} rounds of {seconds:g} s, {options.connections} connections; {os.cpu_count()} cores, of which "
        f"processes outside the benchmark kept {machine.others():.2f} busy.\n"
    )
    print(show(rows, kept))
    if not SIGSTORE.exists():
        print(f"\nWithout sigstore's authority. To have it beside ours (Go is needed): {SIGSTORE_REMEDY}")
    return 1 if options.strict and not all(promise.met for promise in kept) else 0


def _measured(
    directory: Path, options: argparse.Namespace, seconds: float, rounds: int, say: Callable[[str], None]
) -> list[Row]:
    rows = [
        Row(f"ours, {_KEYS[key]} {_STORES[store]}", key, store, workers)
        for workers in options.workers
        for store in options.stores
        for key in options.keys
    ]
    if SIGSTORE.exists():
        rows.insert(0, Row(SIGSTORE_NAME, "p256", "file", 1))
    query = Query.made(directory)
    for number in range(rounds):
        for row in rows:
            say(f"round {number + 1}: {row.name}, {row.workers} worker{'s' * (row.workers > 1)}")
            place = directory / f"{row.key}-{row.store}-{row.workers}"
            cores, client = (_SERVER, _CLIENT) if row.workers == 1 else (_BOTH, _BOTH)
            with ExitStack() as stack:
                served: Served
                if row.name == SIGSTORE_NAME:
                    served = stack.enter_context(sigstore(directory / "sigstore", cores))
                else:
                    served = stack.enter_context(ours(place, row.key, row.store, row.workers, cores))
                load(served, query, _WARM_SECONDS, options.connections, client)
                row.bursts.append(load(served, query, seconds, options.connections, client))
            if row.name != SIGSTORE_NAME and row.workers == 1:
                row.raw.append(_raw(place, row, seconds))
    return rows


def _raw(place: Path, row: Row, seconds: float) -> Raw:
    program = [sys.executable, "-m", "tests.bench.tsa_raw", str(place), row.key, row.store, str(seconds)]
    done = subprocess.run(["taskset", "-c", _SERVER, *program], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"bare signatures, {row.name}: {done.stderr.strip()}")
    return Raw(*map(float, done.stdout.split()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tsa", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="show that everything runs; the figures do not count")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured in turn (default 3)")
    parser.add_argument("--connections", type=int, default=16, help="kept open by wrk (default 16)")
    parser.add_argument("--keys", nargs="+", choices=_KEYS, default=list(_KEYS), help="of our authority")
    parser.add_argument("--stores", nargs="+", choices=_STORES, default=list(_STORES), help="where its key is")
    parser.add_argument("--workers", nargs="+", type=int, choices=(1, 2), default=[1, 2], help="its processes")
    parser.add_argument("--strict", action="store_true", help="exit status 1 where a target is missed")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
