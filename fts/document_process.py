"""`python -m fts.document_process`: the zygote of the processes that read untrusted documents.

It imports the engines once and forks a process for each channel (a socket) that it is sent on its standard input.
Such a process has bounded memory, processor time and time for each document, and neither a card nor a PIN. When a
limit ends it, only the document at hand is lost: the channel closes and the gateway asks for another process.
"""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import time
from dataclasses import dataclass
from typing import Final, Self

from fts.composition import compose
from fts.document_tasks import DocumentTasks, settings_from
from fts.dumps import forbid_dumps
from fts.errors import CODED_ERRORS, DocumentTooComplexError, RefusalError, refusal_of
from fts.frames import Message, encode, receive
from fts.settings import DocumentLimits
from signing.xml import libxml2
from signing.xml.ports import XmlEngineMissingError

_STANDARD_INPUT: Final = 0
_STANDARD_ERROR: Final = 2
_TOO_MUCH: Final = (MemoryError, RecursionError)


def main() -> None:
    """Fork a process for each channel that comes, until the gateway is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)
    with contextlib.suppress(XmlEngineMissingError):
        libxml2.load()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=os.dup(_STANDARD_INPUT)) as control:
        os.dup2(os.open(os.devnull, os.O_RDONLY), _STANDARD_INPUT)
        while True:
            request, descriptors, _flags, _address = socket.recv_fds(control, 1, 1)
            if not request:
                return
            with socket.socket(fileno=descriptors[0]) as channel:
                if os.fork() == 0:
                    control.close()
                    _child(channel)


def _child(channel: socket.socket) -> None:
    """Serve one channel and end the process."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STANDARD_ERROR)
        with asyncio.Runner() as runner:
            runner.run(_serve(channel))
        status = 0
    finally:
        os._exit(status)


async def _serve(channel: socket.socket) -> None:
    """Answer requests until the channel ends; the first one is `configure`.

    Between requests the process waits in the socket itself: nothing else is under way then.
    """
    configuration = receive(channel)
    if configuration is None:
        return
    settings = settings_from(configuration)
    memory = settings.limits.memory_bytes
    forbid_dumps()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    budget = _Budget.of(settings.limits)
    async with compose(settings) as composition:
        channel.sendall(encode({"ready": os.getpid()}))
        tasks = DocumentTasks(composition, lambda step: channel.sendall(encode({"step": step})))
        while (request := receive(channel)) is not None:
            if request["task"] != "finish":
                budget = _Budget.of(settings.limits)
            budget.start()
            answer = await _answer(tasks, request)
            budget.stop()
            channel.sendall(encode(answer))
            if answer["ends"]:
                return


async def _answer(tasks: DocumentTasks, request: Message) -> Message:
    """Return the answer to a request; `ends` says that the process is not fit for another."""
    try:
        return {"result": await tasks.handle(request), "ends": False}
    except CODED_ERRORS as error:
        return _error(refusal_of(error), ends=False)
    except _TOO_MUCH:
        return _error(refusal_of(DocumentTooComplexError("the document needs more memory than it may")), ends=True)
    except Exception as error:  # noqa: BLE001 - whatever a document brings about ends as an answer
        return _error(_unforeseen(error), ends=True)


def _unforeseen(error: Exception) -> RefusalError:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace is not None else "unknown"
    return RefusalError(
        "INTERNAL_ERROR",
        f"{type(error).__name__} at {place}: {error}",
        "The document was not signed; report this message, if possible with the document.",
    )


def _error(refusal: RefusalError, *, ends: bool) -> Message:
    error = {"code": refusal.code, "message": str(refusal), "remedy": refusal.remedy, "party": refusal.party}
    return {"error": error, "ends": ends}


@dataclass(slots=True)
class _Budget:
    """The time of one document; the kernel ends the process that exceeds it."""

    wall: float
    """Seconds left."""
    cpu: float
    """Seconds of processor time left."""
    _wall_start: float = 0.0
    _cpu_start: float = 0.0

    @classmethod
    def of(cls, limits: DocumentLimits) -> Self:
        return cls(limits.wall_seconds, limits.cpu_seconds)

    def start(self) -> None:
        self._wall_start, self._cpu_start = time.monotonic(), time.process_time()
        signal.setitimer(signal.ITIMER_REAL, max(self.wall, 0.01))
        limit = int(self._cpu_start + max(self.cpu, 0.0)) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.wall -= time.monotonic() - self._wall_start
        self.cpu -= time.process_time() - self._cpu_start


if __name__ == "__main__":
    main()
