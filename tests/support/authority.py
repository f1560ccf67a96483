"""`fts tsa` as it runs: a process with workers, and what its directory holds."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
_READY = re.compile(r"timestamping authority ready on (\S+)")
_SECONDS = 30.0


class RunningAuthority:
    """An authority from its start to the end of the block."""

    def __init__(self, *arguments: str | Path, log: Path) -> None:
        self.command = [sys.executable, "-m", "fts.cli", "tsa", "--port", "0", *map(str, arguments)]
        self.log = log
        self.printed = ""

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=log, cwd=REPOSITORY, env={**os.environ, "COLUMNS": "200"}
            )
        deadline = time.monotonic() + _SECONDS
        while (found := _READY.search(self.printed)) is None or not self.printed.endswith("\n"):
            if not self._read(deadline - time.monotonic()):
                self.__exit__(None, None, None)
                raise RuntimeError(f"the authority did not start: {self.printed}{self.log.read_text()}")
        self.url = found[1]
        time.sleep(0.1)
        self._read(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self, seconds: float) -> bool:
        stdout = self.process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], max(0.0, seconds))[0]:
            return False
        piece = os.read(stdout.fileno(), 65536)
        self.printed += piece.decode()
        return bool(piece)

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(number) for number in children.split()]

    def post(self, query: bytes, client: httpx.Client | None = None, path: str = "/tsa") -> httpx.Response:
        """Send a query over a connection of its own, or of a client's."""
        url = self.url.removesuffix("/tsa") + path
        headers = {"content-type": "application/timestamp-query"}
        if client is not None:
            return client.post(url, content=query, headers=headers)
        return httpx.post(url, content=query, headers=headers, timeout=10)

    def get(self, path: str) -> httpx.Response:
        """Read one of the paths beside the door."""
        return httpx.get(self.url.removesuffix("/tsa") + path, timeout=10)
