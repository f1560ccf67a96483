"""The authorities that are measured, each a process on given cores, and OpenSSL, which judges their tokens."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

SIGSTORE: Final = Path("var/peers/timestamp-server")
SIGSTORE_REMEDY: Final = (
    "GOBIN=$PWD/var/peers go install github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server@v2.1.3"
)
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0
GRANTED: Final = 'fts_tsa_decisions_total{status="granted",fail_info=""}'
ANSWERED: Final = 'fts_tsa_http_answers_total{status="200"}'
_COUNTERS: Final = ("fts_tsa_decisions_total{", "fts_tsa_http_answers_total{")
_HEADERS: Final = {"Content-Type": "application/timestamp-query"}


class BenchError(Exception):
    """A program is missing, does not start, or gives a wrong token; the message says which."""


@dataclass(frozen=True, slots=True)
class Served:
    """An authority that serves."""

    url: str
    trust: Path
    """PEM file with the certificates that OpenSSL is to trust."""
    process_id: int
    metrics: str | None = None
    """URL of its counters, where it has them."""

    def counted(self) -> dict[str, int]:
        """Return its decisions by outcome, and its answers by HTTP status; empty where it counts nothing."""
        if self.metrics is None:
            return {}
        with httpx.Client(trust_env=False, timeout=30) as client:
            text = client.get(self.metrics).raise_for_status().text
        pairs = (line.rpartition(" ") for line in text.splitlines() if line.startswith(_COUNTERS))
        return {name: int(value) for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Query:
    """A query in a file: SHA-256 imprint, nonce, certificate asked for."""

    path: Path

    @classmethod
    def made(cls, directory: Path) -> "Query":
        """Have OpenSSL write a new one."""
        path = directory / "query.tsq"
        _openssl("-query", "-digest", os.urandom(32).hex(), "-sha256", "-cert", "-out", str(path))
        return cls(path)

    def answer(self, served: Served) -> bytes:
        """Return the authority's answer after OpenSSL has verified it.

        Raises:
            BenchError: OpenSSL refuses it.
        """
        with httpx.Client(trust_env=False, timeout=30) as client:
            reply = client.post(served.url, content=self.path.read_bytes(), headers=_HEADERS)
        path = self.path.with_suffix(".tsr")
        path.write_bytes(reply.content)
        trust = ("-CAfile", str(served.trust), "-untrusted", str(served.trust))
        _openssl("-verify", "-queryfile", str(self.path), "-in", str(path), *trust)
        return reply.content


@contextmanager
def ours(directory: Path, key: str, store: str, workers: int, cores: str) -> Iterator[Served]:
    """Serve with the product's command, with records, on `cores` as taskset names them."""
    directory.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    command = [str(Path(sys.executable).with_name("fts")), "tsa", "--demo", "--key", key, "--store", store]
    command += ["--directory", str(directory), "--port", str(port), "--workers", str(workers)]
    url = f"http://127.0.0.1:{port}/tsa"
    with _running(command, cores, directory / "log", {}) as process:
        _wait(process, url, directory / "log")
        yield Served(url, directory / "root.pem", process.pid, f"http://127.0.0.1:{port}/metrics")


@contextmanager
def sigstore(directory: Path, cores: str) -> Iterator[Served]:
    """Serve with sigstore's authority: P-256 in memory, no watch of the clock, one thread of Go.

    Raises:
        BenchError: it is not installed; the message says how to.
    """
    if not SIGSTORE.exists():
        raise BenchError(f"sigstore's authority is not installed: {SIGSTORE_REMEDY}")
    directory.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    command = [str(SIGSTORE), "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--disable-ntp-monitoring", "--timestamp-signer", "memory"]
    url = f"http://127.0.0.1:{port}/api/v1/timestamp"
    with _running(command, cores, directory / "log", {"GOMAXPROCS": "1"}) as process:
        _wait(process, url, directory / "log")
        trust = directory / "chain.pem"
        with httpx.Client(trust_env=False) as client:
            trust.write_bytes(client.get(f"{url}/certchain").raise_for_status().content)
        yield Served(url, trust, process.pid)


def processes(process_id: int) -> list[int]:
    """Return a process and all its descendants."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text(encoding="ascii").split()
    return [process_id, *(found for child in children for found in processes(int(child)))]


def need(program: str, package: str) -> None:
    """Refuse to go on without a program.

    Raises:
        BenchError: naming the package that has it.
    """
    if shutil.which(program) is None:
        raise BenchError(f"{program} is not installed: install the package {package}")


@contextmanager
def _running(
    command: list[str], cores: str, log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", cores, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with httpx.Client(trust_env=False, timeout=5) as client:
                client.get(url)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise BenchError(f"{url} does not answer: {log.read_text(errors='replace')[-1000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", "ts", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"openssl ts {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
