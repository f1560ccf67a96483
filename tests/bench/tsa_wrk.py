"""Load by `wrk` on a core of its own; OpenSSL has verified a token before and after."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.measure import Stopwatch
from tests.bench.tsa_servers import ANSWERED, GRANTED, BenchError, Query, Served, processes

_SCRIPT: Final = Path(__file__).with_suffix(".lua")
_LEAST_OCTETS: Final = 0.98
"""Of a verified answer: ECDSA values differ by some octets; a refusal is far shorter."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What one run of wrk saw."""

    requests: int
    seconds: float
    cpu_seconds: float
    """Processor time of the authority's processes."""
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.requests / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Tokens per second of the authority's processor time: what a core gives that nobody else uses."""
        return self.requests / self.cpu_seconds


def load(served: Served, query: Query, seconds: float, connections: int, cores: str) -> Burst:
    """Ask for tokens as fast as the authority gives them.

    Raises:
        BenchError: an error, or answers that are not tokens.
    """
    reply = query.answer(served)
    before = served.counted()
    command = ["taskset", "-c", cores, "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    command += ["--timeout", "10s", "-s", str(_SCRIPT), served.url, "--", str(query.path)]
    watches = [Stopwatch(process) for process in processes(served.process_id)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    cpu_seconds = sum(watch.stop().cpu_ms for watch in watches) / 1000
    line = next((text for text in done.stdout.splitlines() if text.startswith("FIGURES ")), None)
    if done.returncode or line is None:
        raise BenchError(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
    figures = json.loads(line.removeprefix("FIGURES "))
    if figures["errors"] or not figures["requests"]:
        raise BenchError(f"wrk: {figures['errors']} errors in {figures['requests']} requests to {served.url}")
    if figures["octets"] / figures["requests"] < _LEAST_OCTETS * len(reply):
        raise BenchError(f"{served.url}: answers are shorter than a token")
    if before:
        _check_all_granted(before, served.counted(), figures["requests"], connections)
    query.answer(served)
    times = (figures[name] / 1000 for name in ("p50", "p95", "p99"))
    return Burst(figures["requests"], figures["microseconds"] / 1e6, cpu_seconds, *times)


def _check_all_granted(before: dict[str, int], after: dict[str, int], requests: int, connections: int) -> None:
    """Check by the authority's own counters that each answer was a token: wrk sees neither status nor failInfo in it.

    What was under way when wrk stopped was granted, and is not among its requests.

    Raises:
        BenchError: something else was answered, or another number of tokens.
    """
    grown = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
    if set(grown) != {GRANTED, ANSWERED}:
        raise BenchError(f"not every answer was a token: {grown}")
    if not requests <= grown[GRANTED] <= requests + 2 * connections:
        raise BenchError(f"wrk counts {requests} answers, the authority {grown[GRANTED]} tokens")
