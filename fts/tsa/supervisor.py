"""The authority's processes: each worker a signer of its own on its own listening socket, started anew when it dies.

The sockets are opened here and stay open: what a worker that dies left in its queue waits for its successor. Nothing
here touches a key; a worker opens its session after the fork (ADR 0002).
"""

import logging
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from time import monotonic
from types import FrameType
from typing import Final

_LOG: Final = logging.getLogger("fts.tsa")
_FORK: Final = multiprocessing.get_context("fork")
_BACKLOG: Final = 1024
_STOP_SECONDS: Final = 10.0
_EARLY_SECONDS: Final = 5.0
"""A worker that ends sooner than this after its start does not work."""
_MOST_EARLY_ENDS: Final = 3
"""How often in a row a worker may; then everything stops."""

FAILED: Final = 1
HOPELESS: Final = 78
"""Exit status of a worker that must not be started again, as it is (EX_CONFIG of sysexits.h)."""

Work = Callable[[int, socket.socket, int, Callable[[], None]], None]
"""What a worker does: its number, its listening socket, a descriptor that ends with the supervisor, and whom to tell
that it serves."""


def listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """Open `count` sockets on one port, over which the kernel spreads connections; 0 takes a free port.

    Raises:
        OSError: the port is taken.
    """
    # two processes with SO_REUSEPORT would share a port without a word, so it is taken alone first
    with socket.create_server((host, port)) as probe:
        port = probe.getsockname()[1]
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            listener = socket.create_server((host, port), backlog=_BACKLOG, reuse_port=True)
            # accepted sockets inherit it; without, an answer in two pieces waits 40 ms
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.append(listener)
    except OSError:
        for listener in opened:
            listener.close()
        raise
    return opened


@dataclass(slots=True)
class _Worker:
    number: int
    listener: socket.socket
    process: ForkProcess
    started_at: float
    early_ends: int


class Supervisor:
    """Runs workers until SIGTERM or SIGINT."""

    def __init__(self, sockets: list[socket.socket], work: Work, ready: Callable[[], None]) -> None:
        """Prepare; `ready` is called once, when every worker serves."""
        self._sockets = sockets
        self._work = work
        self._ready = ready
        self._stopping = False
        self._lifeline, self._held = os.pipe()
        self._told, self._tell = os.pipe()
        self._wake, self._woken_by = os.pipe()
        os.set_blocking(self._woken_by, False)

    def run(self) -> int:
        """Run; return the exit status: 0 stopped, 1 workers do not start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.set_wakeup_fd(self._woken_by, warn_on_full_buffer=False)
        # the first alone: a PIN that is wrong is tried once, and not once for each worker
        workers = [self._start(0, self._sockets[0], 0)]
        status = self._watch(workers)
        self._end(workers)
        return status

    def _watch(self, workers: list[_Worker]) -> int:
        serving, count = 0, len(self._sockets)
        while not self._stopping:
            by_sentinel = {worker.process.sentinel: worker for worker in workers}
            for event in wait([*by_sentinel, self._told, self._wake]):
                if event == self._told:
                    before, serving = serving, serving + len(os.read(self._told, 256))
                    workers += [self._start(n, self._sockets[n], 0) for n in range(len(workers), count)]
                    if before < count <= serving:
                        self._ready()
                elif event == self._wake:
                    os.read(self._wake, 256)
                elif not self._stopping and isinstance(event, int):
                    ended = by_sentinel[event]
                    replaced = self._replace(ended)
                    if replaced is None:
                        return FAILED
                    workers[ended.number] = replaced
        return 0

    def _replace(self, ended: _Worker) -> _Worker | None:
        ended.process.join()
        if ended.process.exitcode == HOPELESS:
            _LOG.critical("worker %d cannot work, and would do harm by trying again; everything stops", ended.number)
            return None
        _LOG.error("worker %d ended with %s; another is started", ended.number, ended.process.exitcode)
        early = ended.early_ends + 1 if monotonic() - ended.started_at < _EARLY_SECONDS else 0
        if early >= _MOST_EARLY_ENDS:
            _LOG.critical("worker %d ended %d times right after its start; everything stops", ended.number, early)
            return None
        return self._start(ended.number, ended.listener, early)

    def _start(self, number: int, listener: socket.socket, early_ends: int) -> _Worker:
        process = _FORK.Process(target=self._child, args=(number, listener), name=f"tsa-{number}")
        process.start()
        return _Worker(number, listener, process, monotonic(), early_ends)

    def _child(self, number: int, listener: socket.socket) -> None:
        signal.set_wakeup_fd(-1)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_DFL)
        os.close(self._held)
        for other in self._sockets:
            if other is not listener:
                other.close()
        self._work(number, listener, self._lifeline, lambda: _written(self._tell))

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _end(self, workers: list[_Worker]) -> None:
        for worker in workers:
            worker.process.terminate()
        deadline = monotonic() + _STOP_SECONDS
        for worker in workers:
            worker.process.join(max(0.0, deadline - monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        signal.set_wakeup_fd(-1)
        for listener in self._sockets:
            listener.close()
        for descriptor in (self._lifeline, self._held, self._told, self._tell, self._wake, self._woken_by):
            os.close(descriptor)


def _written(descriptor: int) -> None:
    os.write(descriptor, b".")
