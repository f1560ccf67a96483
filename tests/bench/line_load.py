"""Driving the stage: the engine alone, one signer alone, many signers; what each used of the machine."""

import base64
import io
import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from signing.pades.verify import verify
from signing.trust.path import TrustAnchors
from tests.bench.line_signers import MEASURING, Order, Report
from tests.bench.line_stage import Stage, TrustTime
from tests.bench.measure import Sample, peak_bytes
from tests.bench.peers import Worker
from timestamping.clock import utc_now

DOCUMENTS: Final = "document processes"
SIGNERS: Final = "signers"

_LOOK_SECONDS: Final = 0.2
_SCHEDULER_CLOCK: Final = 2
"""As in `tests.bench.measure`."""
_WARM_UP: Final = 5


@dataclass
class Use:
    """What a part used while it was measured."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    """Of its largest process."""


@dataclass
class Load:
    """What one run of signers gave."""

    signers: int
    think_seconds: float
    seconds: float
    report: Report
    trust: TrustTime
    uses: dict[str, Use] = field(default_factory=dict)
    level: str = ""
    """What our verification says about the last signed document."""

    @property
    def samples(self) -> list[tuple[str, str, float]]:
        """Step, document, seconds."""
        return self.report.samples

    def cpu_ms(self, *parts: str) -> float:
        """Milliseconds of processor time of some parts for each signature."""
        return sum(self.uses[part].cpu_seconds for part in parts) / max(self.report.completed, 1) * 1000


@dataclass
class Alone:
    """The engine in a process of its own, without a gateway."""

    sign: list[Sample]
    release: list[Sample]
    trust: TrustTime
    """Of all signatures of `sign`."""


class Family:
    """Looks again and again at what the processes of each part have used: document processes come and go."""

    def __init__(self, parts: dict[str, int]) -> None:
        self._parts = parts
        self._spent: dict[str, dict[int, float]] = {part: {} for part in (*parts, DOCUMENTS)}
        self._peaks: dict[str, int] = dict.fromkeys(self._spent, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_on)
        self._thread.start()

    def close(self) -> None:
        """Stop to look."""
        self._stop.set()
        self._thread.join()

    def used(self) -> dict[str, Use]:
        """Return what was used up to now."""
        self._look()
        return {part: Use(sum(spent.values()), self._peaks[part]) for part, spent in list(self._spent.items())}

    def _look_on(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        for part, process in self._parts.items():
            self._look_at(part, process)
        zygotes = _children(self._parts["worker"])
        for process in _members(zygotes):
            self._look_at(DOCUMENTS, process)

    def _look_at(self, part: str, process: int) -> None:
        with suppress(OSError):  # it has ended
            self._spent[part][process] = time.clock_gettime((~process << 3) | _SCHEDULER_CLOCK)
            self._peaks[part] = max(self._peaks[part], peak_bytes(process))


def engine_alone(stage: Stage, document: Path, count: int) -> Alone:
    """Sign one after the other in one process, from file to file; then check each for release."""
    signed = [stage.directory / f"alone-{index}.pdf" for index in range(count)]
    with Worker(stage.scene, "tests.bench.engine", "sign") as engine:
        for index in range(_WARM_UP):
            engine.measure(document, stage.directory / f"warm-up-{index}.pdf")
        before = stage.trust_time()
        samples = [engine.measure(document, path) for path in signed]
        trust = stage.trust_time() - before
    with Worker(stage.scene, "tests.bench.engine", "release") as engine:
        for path in signed[:_WARM_UP]:
            engine.measure(document, path)
        released = [engine.measure(document, path) for path in signed]
    return Alone(samples, released, trust)


def signers(stage: Stage, small: Path, large: Path, count: int, think: float, warm_up: float, seconds: float) -> Load:
    """Let so many signers sign, and measure after the warm-up.

    Raises:
        RuntimeError: the signers' process failed.
    """
    client_id, secret = stage.client
    order = Order(
        stage.url,
        client_id,
        secret,
        stage.scene.to_json(),
        str(small),
        str(large),
        count,
        think,
        warm_up,
        seconds,
        4711,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.line_signers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        family = Family({**stage.processes, SIGNERS: process.pid})
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(asdict(order)) + "\n")
            process.stdin.flush()
            if process.stdout.readline().strip() != MEASURING:
                raise RuntimeError("the signers failed; what they said is above")
            began, trust, before = time.perf_counter(), stage.trust_time(), family.used()
            time.sleep(seconds)
            measured, spent, after = time.perf_counter() - began, stage.trust_time() - trust, family.used()
            line = process.stdout.readline()
        finally:
            family.close()
    if not line:
        raise RuntimeError("the signers failed; what they said is above")
    report = Report(**json.loads(line))
    uses = {part: Use(use.cpu_seconds - before[part].cpu_seconds, use.peak_bytes) for part, use in after.items()}
    load = Load(count, think, measured, report, spent, uses)
    if report.last_signed:
        anchors = TrustAnchors(stage.scene.read_chain()[-1:])
        found = verify(io.BytesIO(base64.b64decode(report.last_signed)), anchors, clock=utc_now)
        load.level = f"{found.level}" if found.valid else "not valid"
    return load


def _children(process: int) -> set[int]:
    found: set[int] = set()
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            found |= {int(child) for child in (task / "children").read_text(encoding="ascii").split()}
    return found


def _members(sessions: set[int]) -> list[int]:
    """Return the processes of some sessions."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[3]) in sessions:
                found.append(int(path.parent.name))
    return found
