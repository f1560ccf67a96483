"""One run: warm up, sign in alternating rounds, let EU DSS judge, check in alternating rounds."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from tests.bench.measure import Sample, Summary
from tests.bench.peers import DssSigner, DssValidator, DssXmlSigner, Peer, Worker, judge
from tests.bench.plan import Case, Plan
from tests.bench.scene import Scene, write_documents
from tests.oracles.oracle import Oracle

Operation = Literal["sign", "release check", "validate", "admit"]

OURS = "ours"
DSS = "DSS"
PYHANKO = "pyHanko"
_ENGINE = "tests.bench.engine"
_XADES_ENGINE = "tests.bench.xades_engine"

K = TypeVar("K")
Numbered = Callable[[int], Path]


@dataclass(frozen=True, slots=True)
class Row:
    """What one peer's operation on one file cost."""

    file: str
    operation: Operation
    peer: str
    cost: Summary
    peak_bytes: int


@dataclass(slots=True)
class Results:
    """What a run gave."""

    rows: list[Row] = field(default_factory=list)
    judged: int = 0
    """Signed files that EU DSS has judged."""
    complaints: list[str] = field(default_factory=list)
    """What it found; empty where every file is as it should be."""

    def row(self, file: str, operation: Operation, peer: str) -> Row:
        """Return the row of this kind; it must exist."""
        return next(r for r in self.rows if (r.file, r.operation, r.peer) == (file, operation, peer))


class Run:
    """Measures by a plan on a scene; signed files lie in `directory` as long as they are needed."""

    def __init__(self, plan: Plan, scene: Scene, oracle: Oracle, directory: Path) -> None:
        self._plan = plan
        self._scene = scene
        self._oracle = oracle
        self._directory = directory
        self._start = time.monotonic()

    def measure(self) -> Results:
        """Measure all.

        Raises:
            PeerError: a peer failed.
        """
        results = Results()
        self._say("writing the documents")
        generators = {f"case-{index}{case.suffix}": case.generator for index, case in enumerate(self._plan.cases)}
        documents = list(write_documents(self._directory, generators).values())
        self._say(f"warming up DSS with {self._plan.dss_signatures_before} signatures")
        warm_up = self._directory / "warm-up.signed"
        dss = self._dss(self._plan.cases[0])
        _repeat(dss, documents[0], lambda _: warm_up, self._plan.dss_signatures_before, fresh=True)
        for case, document in zip(self._plan.cases, documents, strict=True):
            self._sign(case, document, results)
        for case, document in zip(self._plan.cases, documents, strict=True):
            self._judge(case, document, results)
            self._check(case, document, results)
        return results

    def _dss(self, case: Case) -> DssSigner | DssXmlSigner:
        if case.packaging is None:
            return DssSigner(self._oracle, self._scene)
        return DssXmlSigner(self._oracle, self._scene, case.packaging)

    def _ours(self, case: Case, operation: str) -> Worker:
        if case.packaging is None:
            return Worker(self._scene, _ENGINE, operation)
        return Worker(self._scene, _XADES_ENGINE, operation, case.packaging)

    def _sign(self, case: Case, document: Path, results: Results) -> None:
        with ExitStack() as stack:
            peers: dict[str, Peer] = {OURS: stack.enter_context(self._ours(case, "sign")), DSS: self._dss(case)}
            if case.packaging is None:
                peers[PYHANKO] = stack.enter_context(Worker(self._scene, "tests.bench.plain_pyhanko"))
            self._say(f"{case.title}: {self._plan.rounds} rounds of {case.signatures} signatures")
            outputs = {name: _signed(case, document, name) for name in peers}
            samples = self._rounds(peers, document, outputs, case.signatures, fresh=True)
            for name, peer in peers.items():
                results.rows.append(Row(case.title, "sign", name, Summary.of(samples[name]), peer.peak_bytes()))

    def _judge(self, case: Case, document: Path, results: Results) -> None:
        self._say(f"{case.title}: DSS judges the files of the last round")
        for name in (OURS, DSS, PYHANKO)[: 3 if case.packaging is None else 2]:
            signed = _signed(case, document, name)
            for index in range(case.signatures):
                results.complaints += judge(
                    self._oracle, self._scene, document, signed(index), case.packaging, level=name != PYHANKO
                )
                results.judged += 1

    def _check(self, case: Case, document: Path, results: Results) -> None:
        signed = _signed(case, document, OURS)
        validator = DssValidator(self._oracle, self._scene, case.packaging)
        if case is self._plan.cases[0]:
            _repeat(validator, document, signed, self._plan.dss_validations_before, fresh=False)
        with ExitStack() as stack:
            peers: dict[Operation, Peer] = {
                "release check": stack.enter_context(self._ours(case, "release")),
                "validate": validator,
            }
            if case.packaging is None:
                peers["admit"] = stack.enter_context(self._ours(case, "admit"))
            self._say(f"{case.title}: {self._plan.rounds} rounds of {case.checks} checks")
            samples = self._rounds(peers, document, dict.fromkeys(peers, signed), case.checks, fresh=False)
            for operation, peer in peers.items():
                name = DSS if peer is validator else OURS
                cost = Summary.of(samples[operation])
                results.rows.append(Row(case.title, operation, name, cost, peer.peak_bytes()))

    def _rounds(
        self,
        peers: Mapping[K, Peer],
        document: Path,
        signed: Mapping[K, Numbered],
        count: int,
        *,
        fresh: bool,
    ) -> dict[K, list[Sample]]:
        """Warm each peer up, then let them work in turns."""
        for name, peer in peers.items():
            _repeat(peer, document, signed[name], self._plan.warm_up, fresh=fresh)
        samples: dict[K, list[Sample]] = {name: [] for name in peers}
        for _ in range(self._plan.rounds):
            for name, peer in peers.items():
                samples[name] += _repeat(peer, document, signed[name], count, fresh=fresh)
        return samples

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._start:6.1f} s  {what}", file=sys.stderr, flush=True)


def _repeat(peer: Peer, document: Path, signed: Numbered, count: int, *, fresh: bool) -> list[Sample]:
    """Measure `count` operations; a fresh signed file does not exist when its operation begins."""
    samples = []
    for index in range(count):
        if fresh:
            signed(index).unlink(missing_ok=True)
        samples.append(peer.measure(document, signed(index)))
    return samples


def _signed(case: Case, document: Path, peer: str) -> Numbered:
    """Return the paths of what a peer makes of a document, as many as it makes in one round."""
    suffix = ".pdf" if case.packaging is None else ".xml"
    return lambda index: document.with_name(f"{document.stem}-{peer}-{index % case.signatures}{suffix}")
