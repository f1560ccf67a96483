"""Driver of the oracle process: EU DSS judges and makes signatures, veraPDF judges PDF/A.

with start_oracle() as oracle:
    validation = oracle.validate(signed, anchors=[root])
    assert validation.verdict("LTA", timestamps=2) == []
"""

import base64
import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

import pytest

from tests.oracles.build import HOME, REMEDY, OracleBuildError, classpath, missing_programs
from tests.oracles.reports import Cost, Level, PdfaConformance, Signing, Validation, Versions

COMMAND_SECONDS = 180.0
START_SECONDS = 60.0
STOP_SECONDS = 10.0
HEAP = "2g"


class OracleError(Exception):
    """The oracle answered with an error; the message names the Java exception."""


class OracleTimeoutError(OracleError):
    """The oracle gave no answer in time; its process was ended, the next command starts another."""


@dataclass(frozen=True, slots=True)
class Pkcs8Key:
    """An unencrypted private key (RFC 5958, DER or PEM) and its certificates, the signer's first."""

    path: Path
    chain: Sequence[Path]


@dataclass(frozen=True, slots=True)
class Pkcs12Key:
    """A PKCS#12 file (RFC 7292) with one private key and its chain."""

    path: Path
    password: str


def oracle_available() -> bool:
    """Whether the programs that the oracle needs are installed."""
    return not missing_programs()


def start_oracle(*, quick_start: bool = False) -> "Oracle":
    """An oracle for a session fixture, its process not yet started.

    Where Java or Maven is missing the test is skipped, except under CI=true, where OracleBuildError is raised.
    `quick_start` as in Oracle.
    """
    if missing := missing_programs():
        reason = f"{', '.join(missing)} not found: {REMEDY}"
        if os.environ.get("CI") == "true":
            raise OracleBuildError(reason)
        pytest.skip(reason)
    return Oracle(quick_start=quick_start)


class Oracle:
    """The oracle process, built and started at the first command; commands run one at a time, from any thread.

    `quick_start` leaves out the optimising compiler: less processor time for a few dozen documents, useless for
    measuring. What the process writes to standard error, such as the stack of each error it answers, is kept in
    `var/oracle/stderr-<pid of this process>.log`.
    """

    def __init__(self, *, quick_start: bool = False) -> None:
        self._quick_start = quick_start
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process, if one runs."""
        with self._lock:
            self._stop()

    def ping(self) -> Versions:
        """Starts the process if needed and names what judges."""
        return Versions(**self._ask("ping", {})["result"])

    def validate(
        self, path: Path, anchors: Sequence[Path], at: datetime | None = None, *, detached: Sequence[Path] = ()
    ) -> Validation:
        """EU DSS's verdict on a PDF, XML or container under its default policy, offline, trusting these anchors only.

        Anchors are in DER or PEM. `at` is the validation time, None for now; `detached` are the files that a signature
        names. A signature at level B or T carries no revocation data and passes only where the certificates of the
        signer and of the time-stamping unit are themselves given as anchors.
        """
        arguments = {
            "path": str(path),
            "anchors": _texts(anchors),
            "at": None if at is None else at.astimezone(UTC).isoformat(),
            "detached": _texts(detached) or None,
        }
        return Validation.from_answer(self._ask("validate", arguments))

    def sign(
        self,
        path: Path,
        output: Path,
        key: Pkcs8Key | Pkcs12Key,
        *,
        tsa_url: str,
        level: Level,
        anchors: Sequence[Path],
        digest: Literal["SHA256", "SHA384", "SHA512"] = "SHA256",
    ) -> Signing:
        """Signs a PDF with EU DSS, which fetches time-stamps, OCSP responses and CRLs at the addresses given.

        Key, caches and HTTP connections are kept for the next call with the same key, authority and anchors.
        """
        arguments: dict[str, Any] = {
            "path": str(path),
            "output": str(output),
            "tsa_url": tsa_url,
            "level": level,
            "digest": digest,
            "anchors": _texts(anchors),
        }
        match key:
            case Pkcs8Key(path=key_path, chain=chain):
                arguments |= {"pkcs8": str(key_path), "chain": _texts(chain)}
            case Pkcs12Key(path=key_path, password=password):
                arguments |= {"pkcs12": str(key_path), "password": password}
        answer = self._ask("sign", arguments)
        return Signing(size=answer["result"]["size"], cost=Cost.from_answer(answer))

    def sign_xml(
        self,
        path: Path,
        output: Path,
        key: Pkcs8Key | None,
        *,
        tsa_url: str,
        level: Level,
        anchors: Sequence[Path],
        packaging: Literal["ENVELOPED", "ENVELOPING", "INTERNALLY_DETACHED", "DETACHED"] = "ENVELOPED",
        digest: Literal["SHA256", "SHA384", "SHA512"] | None = None,
    ) -> None:
        """Signs XML or any file by XAdES with EU DSS, or, without a key, extends the signatures of a document.

        What is kept is kept as in `sign`, for signing with a key only. Without `digest` the digests are DSS's defaults.
        """
        arguments: dict[str, Any] = {
            "path": str(path),
            "output": str(output),
            "pkcs8": None if key is None else str(key.path),
            "chain": None if key is None else _texts(key.chain),
            "tsa_url": tsa_url,
            "level": level,
            "packaging": packaging,
            "digest": digest,
            "anchors": _texts(anchors),
        }
        self._ask("sign_xml", arguments)

    def sign_container(
        self,
        paths: Sequence[Path],
        output: Path,
        key: Pkcs8Key | None,
        *,
        tsa_url: str,
        level: Level,
        anchors: Sequence[Path],
        container: Literal["ASiC_E", "ASiC_S"] = "ASiC_E",
    ) -> None:
        """Signs files in an ASiC container by XAdES with EU DSS.

        One path of a container gets another signature there; without a key its signatures are extended.
        """
        arguments: dict[str, Any] = {
            "paths": _texts(paths),
            "output": str(output),
            "pkcs8": None if key is None else str(key.path),
            "chain": None if key is None else _texts(key.chain),
            "tsa_url": tsa_url,
            "level": level,
            "container": container,
            "anchors": _texts(anchors),
        }
        self._ask("sign_container", arguments)

    def canonicalize(self, path: Path, algorithm: str, prefixes: str | None = None) -> list[bytes]:
        """Apache Santuario's canonical form of every element of an XML file in its place, in document order.

        `algorithm` is the URI, `prefixes` the PrefixList of the exclusive form.
        """
        answer = self._ask("canonicalize", {"path": str(path), "algorithm": algorithm, "prefixes": prefixes})
        return [base64.b64decode(each) for each in answer["result"]["elements"]]

    def verify_core(self, path: Path) -> tuple[int, list[str]]:
        """How many signatures an XML file has, and what Apache Santuario finds wrong with the core of them.

        Detached documents are looked for beside the file.
        """
        answer = self._ask("verify_core", {"path": str(path)})
        return answer["result"]["signatures"], answer["result"]["problems"]

    def verapdf(self, path: Path) -> PdfaConformance:
        """veraPDF's verdict against the PDF/A part and level that the file's XMP claims."""
        return PdfaConformance.from_answer(self._ask("verapdf", {"path": str(path)}))

    def _ask(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._last_id += 1
            request = {"id": self._last_id, "command": command, "arguments": arguments}
            seconds = COMMAND_SECONDS
            if self._process is None:
                self._process = _Process(self._quick_start)
                seconds += START_SECONDS
            try:
                answer = self._process.ask(request, seconds)
            except BaseException:
                self._process.kill()
                self._stop()
                raise
        if "error" in answer:
            raise OracleError(f"{command}: {answer['error_type']}: {answer['error']}")
        return answer

    def _stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None


class _Process:
    """One run of the Java program; what it writes lies below `var/oracle/`, its caches only as long as it runs."""

    def __init__(self, quick_start: bool) -> None:
        jars = classpath()
        self._log_path = HOME / f"stderr-{os.getpid()}.log"
        self._scratch = tempfile.TemporaryDirectory(prefix="run-", dir=HOME)
        options = ["-XX:TieredStopAtLevel=1"] if quick_start else []
        options += [
            f"-Xmx{HEAP}",
            "-Djava.awt.headless=true",
            f"-Djava.io.tmpdir={self._scratch.name}",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        ]
        with self._log_path.open("ab") as log:
            self._java = subprocess.Popen(
                ["java", *options, "-cp", jars, "eu.fts.oracle.Oracle"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )
        self._requests = _pipe(self._java.stdin)
        self._stdout = _pipe(self._java.stdout)
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="oracle-answers", daemon=True)
        self._reader.start()

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise OracleTimeoutError(f"{request['command']}: no answer in {seconds:.0f} s") from None
        except BrokenPipeError:
            line = None
        if line is None:
            raise OracleError(f"the oracle process has ended; what it said is in {self._log_path}")
        answer: dict[str, Any] = json.loads(line)
        if answer["id"] != request["id"]:
            raise OracleError(f"answer {answer['id']} to request {request['id']}")
        return answer

    def kill(self) -> None:
        self._java.kill()

    def stop(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        try:
            self._java.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._java.kill()
            self._java.wait()
        self._reader.join()
        self._stdout.close()
        self._scratch.cleanup()
        if self._java.returncode == 0 and self._log_path.stat().st_size == 0:
            self._log_path.unlink()

    def _read(self) -> None:
        for line in self._stdout:
            self._answers.put(line)
        self._answers.put(None)


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def _texts(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths]
