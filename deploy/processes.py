"""Processes that the demo starts, watches and stops."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_READY_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.02
_TAIL_CHARACTERS: Final = 1500


class ProcessError(RuntimeError):
    """A process did not start or has ended; the text has the end of its log."""


@dataclass
class Service:
    """A process that says when it is ready; a context manager."""

    name: str
    command: list[str]
    ready: str
    """What it prints when it is ready."""
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it is ready.

        Raises:
            ProcessError: it did not get ready.
        """
        with self.log.open("wb") as log:
            # a session of its own: Ctrl-C reaches the demo only, which then stops its processes in order
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while self.ready.encode() not in self.log.read_bytes():
            self.check()
            if time.monotonic() > deadline:
                self.stop()
                raise ProcessError(f"{self.name} did not get ready within {_READY_SECONDS:g} s:\n{self._tail()}")
            time.sleep(_LOOK_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def pid(self) -> int:
        """The process's number.

        Raises:
            ProcessError: it was not started.
        """
        if self._process is None:
            raise ProcessError(f"{self.name} was not started")
        return self._process.pid

    def kill(self) -> None:
        """End it without a chance to clean up; it can be started again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Look whether it still runs.

        Raises:
            ProcessError: it has ended.
        """
        if self._process is not None and self._process.poll() is not None:
            raise ProcessError(f"{self.name} has ended with status {self._process.returncode}:\n{self._tail()}")

    def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-_TAIL_CHARACTERS:].strip()
