"""When a process of the gateway is killed: at a named moment of an errand, or at a random one."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import httpx

from tests.e2e.kills.errand import Errand
from tests.support.gateway import Gateway, Process

Victim = Literal["web", "worker", "sequencer"]
Look = Callable[[Errand], bool]

_WATCH_SECONDS: Final = 20.0
_SPIN_SECONDS: Final = 2.0


class Striker:
    """Kills processes of one gateway and starts them again at once."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.families: set[int] = set()
        """Sessions that processes of documents belonged to."""
        self.kills = 0
        self._one = threading.Lock()

    def strike(self, *victims: Victim) -> None:
        """Kill, without a chance to clean up, and start anew."""
        with self._one:
            processes = [self._process(victim) for victim in victims]
            for process in processes:
                self.families |= children(process)
                process.kill()
                self.kills += 1
            with ThreadPoolExecutor(len(processes)) as starters:
                list(starters.map(Process.start, processes))

    def _process(self, victim: Victim) -> Process:
        process: Process = getattr(self.gateway, victim)
        return process


@dataclass(frozen=True)
class Aim:
    """A moment of an errand, and who is killed at it."""

    moment: str
    victim: Victim
    document: Literal["fifty_kb", "many_pages"] = "fifty_kb"
    slow: str | None = None
    """Trust service that is slow, so that the moment lasts."""
    look: Look | None = None
    """Sees the moment from outside; None where the errand itself halts at it."""
    job: str | None = None
    """Kind of job that the kill must have interrupted."""

    def __str__(self) -> str:
        return f"{self.moment}-{self.victim}"

    def halt(self, striker: Striker) -> Callable[[Errand, str], None]:
        """Return what an errand is halted by: the first time at the moment, the victim is killed."""
        struck = False

        def halt(_errand: Errand, point: str) -> None:
            nonlocal struck
            if point == self.moment and not struck:
                struck = True
                if point == "uploading":
                    _until(lambda: any(spool(striker.gateway).glob("upload-*/document")))
                striker.strike(self.victim)

        return halt

    @contextmanager
    def watched(self, errand: Errand, striker: Striker) -> Iterator[None]:
        """Kill the victim as soon as the moment is seen."""
        if self.look is None:
            yield
            return
        failed: list[BaseException] = []

        def watch() -> None:
            try:
                look = self.look
                assert look is not None
                _until(lambda: look(errand))
                striker.strike(self.victim)
            except BaseException as error:  # noqa: BLE001 - told to the test below
                failed.append(error)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if failed:
            raise failed[0]


def is_inspecting(errand: Errand) -> bool:
    """See that the document is taken in and a worker is about to judge it."""
    return leased(errand, "inspect")


def is_preparing(errand: Errand) -> bool:
    """See that a worker checks the certificate."""
    return bool(_state(errand)["state"] == "preparing" and leased(errand, "prepare"))


def at_step(step: str) -> Look:
    """See that a step of finishing is under way."""

    def look(errand: Errand) -> bool:
        found = _state(errand)
        return bool(found["state"] == "finishing" and found["step"] == step)

    return look


def has_stored(step: str) -> Look:
    """See that, after a step, an object was stored that no row names yet; only one errand may be under way."""

    def look(errand: Errand) -> bool:
        found = _state(errand)
        if (found["step"] or found["state"]) != step:
            return False
        before = objects(errand.gateway)
        deadline = time.monotonic() + _SPIN_SECONDS
        while time.monotonic() < deadline:
            if any(not Path(name).name.startswith(".") for name in objects(errand.gateway) - before):
                return True
        return False

    return look


def _state(errand: Errand) -> dict[str, Any]:
    if errand.browser is None or not errand.browser.http.cookies:
        return {"state": None, "step": None}
    return errand.browser.state()


def _until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WATCH_SECONDS
    while True:
        try:
            if look():
                return
        except (httpx.TransportError, httpx.HTTPStatusError):
            time.sleep(0.01)
        assert time.monotonic() < deadline, "the moment was never seen"
        time.sleep(0.001)


def spool(gateway: Gateway) -> Path:
    """Return the directory of temporary files."""
    return gateway.directory / "data" / "spool"


def objects(gateway: Gateway) -> set[str]:
    """Return the names of all stored objects, half-written ones included."""
    root = gateway.directory / "data" / "objects"
    return {f"{bucket.name}/{file.name}" for bucket in os.scandir(root) for file in os.scandir(bucket)}


def rows(gateway: Gateway, statement: str, *values: object) -> list[dict[str, Any]]:
    """Read the gateway's database behind its back."""
    with closing(sqlite3.connect(gateway.directory / "data" / "fts.sqlite3", timeout=20)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(statement, values)]


def taken(errand: Errand, kind: str) -> int:
    """Return how often a job of an errand was claimed."""
    found = rows(
        errand.gateway, "SELECT attempts FROM job WHERE kind = ? AND subject = ?", kind, _subject(errand, kind)
    )
    return max((row["attempts"] for row in found), default=0)


def leased(errand: Errand, kind: str) -> bool:
    """Tell whether a worker has a job of an errand."""
    statement = "SELECT id FROM job WHERE kind = ? AND subject = ? AND state = 'leased'"
    return bool(rows(errand.gateway, statement, kind, _subject(errand, kind)))


def _subject(errand: Errand, kind: str) -> str:
    return f"document:{errand.gateway.account.client_id}/{errand.document_id}" if kind == "inspect" else errand.id


def children(process: Process) -> set[int]:
    """Return the ids of a process's child processes."""
    assert process.running is not None
    tasks = Path(f"/proc/{process.running.pid}/task")
    return {int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()}


def alive_of(families: set[int]) -> list[int]:
    """Return the processes that are still in one of the sessions."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) in families and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found
