"""`python -m tests.bench.custody`: what records, the chain, encryption and the stores cost.

Each figure stands beside the same work without ours, in the same run: rows inserted by the driver alone, files copied,
objects moved by the bare S3 client.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.custody_load import audited_requests
from tests.bench.custody_rows import Rows, chained
from tests.bench.custody_stores import Transfer, transfers
from tests.bench.measure import MachineLoad
from tests.support.postgres import postgres

_TARGET_ROWS = 10_000
_TARGET_RATIO = 0.6
_TARGET_RESIDENT = 100
Say = Callable[[str], None]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit status: by --strict 1 where a target is missed."""
    options = _parser().parse_args(arguments)
    start, machine = time.monotonic(), MachineLoad()
    rows, seconds, size, repeats = (20_000, 3.0, 20, 1) if options.quick else (100_000, 15.0, 100, 3)

    def say(what: str) -> None:
        print(f"{time.monotonic() - start:6.1f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-custody-") as name:
        directory = Path(name)
        say(f"audited requests for {seconds:g} s")
        loads = [audited_requests(directory / "load", seconds)]
        say(f"chaining {rows} events on SQLite")
        (directory / "rows").mkdir()
        chains = [chained(f"sqlite+aiosqlite:///{directory / 'rows' / 'bench.sqlite3'}", rows)]
        say(f"chaining {rows} events on PostgreSQL")
        (directory / "postgres").mkdir()
        with postgres(directory / "postgres", durable=True) as server:
            chains.append(chained(server.create().url, rows))
            say(f"audited requests for {seconds:g} s on PostgreSQL")
            loads.append(audited_requests(directory / "load-postgres", seconds, server.create()))
        moved = []
        for store in ("files", "s3"):
            say(f"{size} MB through the gateway, on {store}")
            moved += transfers(directory / store, store, size, repeats)
    if options.json:
        found = {
            "audited": [vars(load) for load in loads],
            "chains": [vars(c) for c in chains],
            "transfers": [vars(m) for m in moved],
        }
        options.json.write_text(json.dumps(found, indent=2))
    print(f"{os.cpu_count()} cores, of which processes outside the benchmark kept {machine.others():.2f} busy.")
    print(f"\ndurable audited requests per second, one web process, {loads[0].connections} connections:")
    print(f"{'database':12} {'ours':>8} {'driver alone':>13} {'ratio':>6} {'p50 ms':>7} {'p95 ms':>7} {'requests':>9}")
    for load in loads:
        print(
            f"{load.database:12} {load.per_second:8.0f} {load.bare_per_second:13.0f} "
            f"{load.per_second / load.bare_per_second:6.2f} {load.p50_ms:7.1f} {load.p95_ms:7.1f} {load.requests:9}"
        )
    print("driver alone: the same statements, one durable commit for each record, one after the other.\n")
    return _show(chains, moved) if options.strict else _show(chains, moved) * 0


def _show(chains: list[Rows], moved: list[Transfer]) -> int:
    missed = 0
    print(f"{'sequencer':12} {'rows/s':>8} {'driver alone':>13}   target {_TARGET_ROWS}")
    for chain in chains:
        print(f"{chain.database:12} {chain.per_second:8.0f} {chain.alone_per_second:13.0f}")
        missed += chain.per_second < _TARGET_ROWS
    print(
        f"\n{'store':6} {'way':9} {'store MB/s':>11} {'bare MB/s':>10} {'ratio':>6} {'HTTP MB/s':>10} "
        f"{'+MB':>5} {'MB':>5}"
    )
    for one in moved:
        ratio = one.rate / one.bare_rate
        missed += ratio < _TARGET_RATIO or one.grown_mb > _TARGET_RESIDENT
        print(
            f"{one.store:6} {one.way:9} {one.rate:11.0f} {one.bare_rate:10.0f} {ratio:6.2f} {one.http_rate:10.0f} "
            f"{one.grown_mb:5.0f} {one.resident_mb:5.0f}"
        )
    print(
        "\nstore: encrypting and storing, or opening and decrypting, in process; bare: the same octets copied and\n"
        "synchronised, or moved by the `minio` client. Files are read from the disk, not from the page cache.\n"
        "HTTP: through one web process. +MB: how much that process grew above its idle size while it served; MB: its\n"
        "largest size."
    )
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.custody", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="show that everything runs; the figures do not count")
    parser.add_argument("--strict", action="store_true", help="exit status 1 where a target is missed")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
