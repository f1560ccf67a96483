"""What is measured: processor time, elapsed time and peak memory of a process (Linux), and their summaries."""

import math
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# include/linux/posix-timers.h: a negative clock identifier holds the complement of a process identifier and, as 2, the
# clock that the scheduler keeps in nanoseconds
_SCHEDULER_CLOCK = 2
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One operation, in milliseconds."""

    cpu_ms: float
    """User and system time of all threads of the process that did it."""
    wall_ms: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Samples of one kind; all times in milliseconds, the 95th percentile by nearest rank."""

    count: int
    cpu_median: float
    cpu_p95: float
    cpu_mean: float
    wall_median: float
    wall_p95: float

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """Summarise at least one sample."""
        cpu = sorted(sample.cpu_ms for sample in samples)
        wall = sorted(sample.wall_ms for sample in samples)
        return cls(
            count=len(samples),
            cpu_median=statistics.median(cpu),
            cpu_p95=_nearest_rank(cpu, 0.95),
            cpu_mean=statistics.fmean(cpu),
            wall_median=statistics.median(wall),
            wall_p95=_nearest_rank(wall, 0.95),
        )


class Stopwatch:
    """Processor time of a process and elapsed time since it was made."""

    def __init__(self, process_id: int) -> None:
        self._clock = (~process_id << 3) | _SCHEDULER_CLOCK
        self._wall = time.perf_counter()
        self._cpu = time.clock_gettime(self._clock)

    def stop(self) -> Sample:
        """Return what has passed."""
        cpu = time.clock_gettime(self._clock) - self._cpu
        return Sample(cpu * 1000, (time.perf_counter() - self._wall) * 1000)


def peak_bytes(process_id: int) -> int:
    """Return the largest resident size that a process has had since its program started.

    `ru_maxrss` would not do: it survives exec, so that a child never shows less than its parent had at the fork.
    """
    for line in Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * _KIB
    raise OSError(f"process {process_id} states no peak of its memory")


class MachineLoad:
    """How much of the machine other processes took."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._busy = _busy_seconds()
        self._own = _own_seconds()

    def others(self) -> float:
        """Return the cores, on average since it was made, that processes outside the benchmark kept busy.

        Complete only when the benchmark's own child processes have ended.
        """
        wall = time.perf_counter() - self._wall
        return max(0.0, _busy_seconds() - self._busy - (_own_seconds() - self._own)) / wall


def _busy_seconds() -> float:
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts = (int(field) for field in fields[:7])
    return (user + nice + system + interrupts + soft_interrupts) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _nearest_rank(ascending: Sequence[float], part: float) -> float:
    return ascending[math.ceil(part * len(ascending)) - 1]
