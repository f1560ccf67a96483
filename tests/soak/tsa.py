"""`python -m tests.soak.tsa`: does the authority's memory stay flat over a million tokens?

The product's own command with records serves P-256 in memory to `wrk`; after each burst the resident sizes of its
processes are read. OpenSSL verifies a token before and after each burst.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.tsa_servers import BenchError, Query, need, ours, processes
from tests.bench.tsa_wrk import load

_MOST_GROWTH = 2_000_000
"""Octets per million tokens after the warm-up; more is a leak."""
_WARM = 0.1
"""Part of the tokens after which sizes count: caches and arenas fill before."""
_LEAST_SAMPLES = 5
_CONNECTIONS = 16


def main(arguments: list[str] | None = None) -> int:
    """Issue the tokens and print the slope; return 1 where memory grows, 2 where the run is not possible."""
    options = _parser().parse_args(arguments)
    try:
        for program in ("wrk", "openssl"):
            need(program, program)
        need("taskset", "util-linux")
        with tempfile.TemporaryDirectory(prefix="soak-tsa-") as name:
            samples = _samples(Path(name), options.tokens, options.burst)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    counted = [(tokens, size) for tokens, size in samples if tokens >= _WARM * options.tokens]
    if len(counted) < _LEAST_SAMPLES:
        print(f"{len(counted)} samples say nothing: --burst must be shorter", file=sys.stderr)
        return 2
    slope = statistics.linear_regression(*zip(*counted, strict=True)).slope
    growth = slope * 1e6
    flat = growth <= _MOST_GROWTH
    first, last = counted[0], samples[-1]
    print(f"{last[0]} tokens; {first[1] / 1e6:.1f} MB after the warm-up, {last[1] / 1e6:.1f} at the end")
    limit = f"at most {_MOST_GROWTH / 1e6:g}"
    print(f"slope: {growth / 1e6:+.2f} MB per million tokens ({limit}): {'met' if flat else 'MISSED'}")
    return 0 if flat else 1


def _samples(directory: Path, most: int, seconds: float) -> list[tuple[int, int]]:
    """Return after each burst the tokens so far and the resident octets of all processes."""
    found, tokens = [], 0
    query = Query.made(directory)
    with ours(directory / "tsa", "p256", "file", 1, "0") as served:
        while tokens < most:
            tokens += load(served, query, seconds, _CONNECTIONS, "1").requests
            found.append((tokens, _resident(served.process_id)))
            print(f"{tokens:9} tokens  {found[-1][1] / 1e6:7.2f} MB", file=sys.stderr, flush=True)
    return found


def _resident(process_id: int) -> int:
    """Return the resident octets of a process and of its descendants."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1]) for one in processes(process_id))
    return pages * os.sysconf("SC_PAGE_SIZE")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.tsa", description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000, help="how many (default 1000000)")
    parser.add_argument("--burst", type=float, default=5.0, help="seconds between two readings (default 5)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
