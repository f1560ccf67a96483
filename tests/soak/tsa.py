"""`python -m tests.soak.tsa`: a million tokens: does memory stay flat, and is no serial number there twice?

The product's own command with records serves P-256 in memory to `wrk`, with two workers; after each burst the resident
sizes of its processes are read. OpenSSL verifies a token before and after each burst. At the end the chain of the
records is walked, and the serial numbers of all tokens of all workers are compared (T-8).
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.tsa_servers import BenchError, Query, need, ours, processes
from tests.bench.tsa_wrk import load
from timestamping.authority.records import read_records

_MOST_GROWTH = 2_000_000
"""Octets of a worker per million tokens of all after the warm-up; more is a leak."""
_WARM = 0.1
"""Part of the tokens after which sizes count: caches and arenas fill before."""
_LEAST_SAMPLES = 5
_CONNECTIONS = 16
_SERVER, _CLIENT = {1: "0", 2: "0,1"}, {1: "1", 2: "0,1"}
"""Cores, by the number of workers."""


def main(arguments: list[str] | None = None) -> int:
    """Issue the tokens and print the slope; return 1 where memory grows, 2 where the run is not possible."""
    options = _parser().parse_args(arguments)
    try:
        for program in ("wrk", "openssl"):
            need(program, program)
        need("taskset", "util-linux")
        with tempfile.TemporaryDirectory(prefix="soak-tsa-") as name:
            samples = _samples(Path(name), options.tokens, options.burst, options.workers)
            granted, twice = _serials(Path(name) / "tsa" / "records")
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    counted = [(tokens, size) for tokens, size in samples if tokens >= _WARM * options.tokens]
    if len(counted) < _LEAST_SAMPLES:
        print(f"{len(counted)} samples say nothing: --burst must be shorter", file=sys.stderr)
        return 2
    slope = statistics.linear_regression(*zip(*counted, strict=True)).slope
    growth = slope * 1e6 / options.workers
    flat = growth <= _MOST_GROWTH
    first, last = counted[0], samples[-1]
    print(f"{last[0]} tokens; {first[1] / 1e6:.1f} MB after the warm-up, {last[1] / 1e6:.1f} at the end")
    limit = f"at most {_MOST_GROWTH / 1e6:g}"
    print(f"slope: {growth / 1e6:+.2f} MB a worker per million tokens ({limit}): {'met' if flat else 'MISSED'}")
    unique = not twice and granted >= last[0]
    print(f"{granted} recorded tokens, {twice} serial numbers more than once: {'met' if unique else 'MISSED'}")
    return 0 if flat and unique else 1


def _samples(directory: Path, most: int, seconds: float, workers: int) -> list[tuple[int, int]]:
    """Return after each burst the tokens so far and the resident octets of all processes."""
    found, tokens = [], 0
    query = Query.made(directory)
    with ours(directory / "tsa", "p256", "file", workers, _SERVER[workers]) as served:
        while tokens < most:
            tokens += load(served, query, seconds, _CONNECTIONS, _CLIENT[workers]).requests
            found.append((tokens, _resident(served.process_id)))
            print(f"{tokens:9} tokens  {found[-1][1] / 1e6:7.2f} MB", file=sys.stderr, flush=True)
    return found


def _serials(records: Path) -> tuple[int, int]:
    """Return how many tokens are on record, and how many serial numbers are there more than once."""
    granted, seen = 0, set()
    for record in read_records(records):
        if record["serial_number"] is not None:
            granted += 1
            seen.add(int(record["serial_number"], 16))
    return granted, granted - len(seen)


def _resident(process_id: int) -> int:
    """Return the resident octets of a process and of its descendants."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1]) for one in processes(process_id))
    return pages * os.sysconf("SC_PAGE_SIZE")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.tsa", description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000, help="how many (default 1000000)")
    parser.add_argument("--burst", type=float, default=5.0, help="seconds between two readings (default 5)")
    parser.add_argument("--workers", type=int, choices=(1, 2), default=2, help="its processes (default 2)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
