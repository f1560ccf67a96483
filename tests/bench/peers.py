"""The peers as the benchmark drives them: workers, and EU DSS in the oracle's process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, Self

from signing.xades.ports import Packaging
from tests.bench.measure import Sample, Stopwatch, peak_bytes
from tests.bench.scene import Scene
from tests.oracles.oracle import Oracle, Pkcs8Key


class PeerError(Exception):
    """A peer did not do what it was asked for."""


class Peer(Protocol):
    """Does one operation at a time and tells what it cost."""

    def measure(self, document: Path, signed: Path) -> Sample:
        """Work on a document and the signed file that is made of it, or was.

        Raises:
            PeerError: it failed.
        """

    def peak_bytes(self) -> int:
        """Return the largest resident size of its process so far."""


class Worker:
    """A Python peer in a fresh process, from `with` to the end of its block."""

    def __init__(self, scene: Scene, module: str, *arguments: str) -> None:
        self._name = " ".join((module, *arguments))
        self._peak = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._tell(scene.to_json())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def measure(self, document: Path, signed: Path) -> Sample:
        self._tell(json.dumps([str(document), str(signed)]))
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"{self._name} failed; what it said is above")
        answer = json.loads(line)
        self._peak = answer["peak"]
        return Sample(answer["cpu_ms"], answer["wall_ms"])

    def peak_bytes(self) -> int:
        return self._peak

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise PeerError(f"{self._name} has ended") from error


class _Dss:
    """EU DSS; its processor time is read from the scheduler's clock, since Java counts in ticks of 10 ms."""

    def __init__(self, oracle: Oracle, scene: Scene) -> None:
        self._oracle = oracle
        self._scene = scene
        self._anchors = [Path(scene.root)]
        oracle.ping()
        self._process_id = _java_child()

    def peak_bytes(self) -> int:
        return peak_bytes(self._process_id)


class DssSigner(_Dss):
    """Signs PDF with the same key, authority and anchor as the others."""

    def measure(self, document: Path, signed: Path) -> Sample:
        key = Pkcs8Key(Path(self._scene.key), [Path(path) for path in self._scene.chain])
        stopwatch = Stopwatch(self._process_id)
        self._oracle.sign(
            document,
            signed,
            key,
            tsa_url=self._scene.tsa_url,
            level="LTA",
            anchors=self._anchors,
            digest="SHA256",
        )
        return stopwatch.stop()


class DssXmlSigner(_Dss):
    """Signs XML, or a file beside it, with the same key, authority and anchor as the others."""

    _NAMES: Final[dict[Packaging, Literal["ENVELOPED", "DETACHED"]]] = {
        Packaging.ENVELOPED: "ENVELOPED",
        Packaging.DETACHED: "DETACHED",
    }

    def __init__(self, oracle: Oracle, scene: Scene, packaging: Packaging) -> None:
        super().__init__(oracle, scene)
        self._packaging = self._NAMES[packaging]

    def measure(self, document: Path, signed: Path) -> Sample:
        key = Pkcs8Key(Path(self._scene.key), [Path(path) for path in self._scene.chain])
        stopwatch = Stopwatch(self._process_id)
        self._oracle.sign_xml(
            document,
            signed,
            key,
            tsa_url=self._scene.tsa_url,
            level="LTA",
            anchors=self._anchors,
            packaging=self._packaging,
            digest="SHA256",
        )
        return stopwatch.stop()


class DssValidator(_Dss):
    """Validates offline under its default policy; a signature file together with its document."""

    def __init__(self, oracle: Oracle, scene: Scene, packaging: Packaging | None) -> None:
        super().__init__(oracle, scene)
        self._packaging = packaging

    def measure(self, document: Path, signed: Path) -> Sample:
        stopwatch = Stopwatch(self._process_id)
        validation = self._oracle.validate(signed, self._anchors, detached=_detached(document, self._packaging))
        sample = stopwatch.stop()
        if complaints := validation.verdict("LTA", timestamps=2, form=_form(self._packaging)):
            raise PeerError(f"DSS on {signed.name}: {'; '.join(complaints)}")
        return sample


def judge(
    oracle: Oracle, scene: Scene, document: Path, signed: Path, packaging: Packaging | None, *, level: bool
) -> list[str]:
    """Return EU DSS's complaints about a signed file.

    Where `level` is False only the signature itself is judged: pyHanko writes other revisions and DSS dictionaries.
    """
    validation = oracle.validate(signed, anchors=[Path(scene.root)], detached=_detached(document, packaging))
    if level:
        complaints = validation.verdict("LTA", timestamps=2, form=_form(packaging))
        return [f"{signed.name}: {complaint}" for complaint in complaints]
    verdicts = [signature.indication for signature in validation.signatures]
    return [] if verdicts == ["TOTAL_PASSED"] else [f"{signed.name}: {', '.join(verdicts) or 'no signature'}"]


def _detached(document: Path, packaging: Packaging | None) -> list[Path]:
    return [document] if packaging is not None and packaging.is_detached else []


def _form(packaging: Packaging | None) -> Literal["PAdES", "XAdES"]:
    return "PAdES" if packaging is None else "XAdES"


def _java_child() -> int:
    """Return the process identifier of this process's one Java child."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name.endswith("(java") and int(fields.split()[1]) == os.getpid():
            found.append(int(stat.parent.name))
    if len(found) != 1:
        raise PeerError(f"{len(found)} Java processes are found instead of one")
    return found[0]
