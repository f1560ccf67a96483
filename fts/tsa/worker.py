"""One worker of the authority: a signer on the loop of its process, behind one listening socket."""

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Final

import uvicorn

from fts.errors import RefusalError
from fts.tsa.app import AuthorityApp
from fts.tsa.composition import RECORDS_REMEDY, composed
from fts.tsa.configuration import AuthorityFile
from fts.tsa.connections import Connections, Sweep, protocol_of, with_descriptors
from fts.tsa.door import Capacities, NetworkAdmission
from fts.tsa.supervisor import FAILED, HOPELESS
from fts.tsa.tally import CountedLog, Tally
from timestamping.authority.app import TimestampingApp
from timestamping.authority.ports import RecordFailedError
from timestamping.authority.unit import UnitUnfitError

_LOG: Final = logging.getLogger("fts.tsa")
_GRACE_SECONDS: Final = 3
_KEEP_ALIVE_SECONDS: Final = 30


class Worker:
    """What every worker runs; made before the fork, so that they share counters and capacities."""

    def __init__(self, file: AuthorityFile) -> None:
        self._file = file
        self._tally = Tally(file.timestamping.workers)
        self._capacities = Capacities(file.timestamping.door.clients)

    def run(self, number: int, listener: socket.socket, lifeline: int, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM, SIGINT, or the end of the supervisor."""
        try:
            with asyncio.Runner(loop_factory=_loop) as runner:
                runner.run(self._serve(number, listener, lifeline, ready))
        except (RefusalError, UnitUnfitError) as error:
            _LOG.critical("worker %d: %s: %s Remedy: %s", number, error.code, error, error.remedy)
            sys.exit(HOPELESS if error.code == "UNIT_PIN_REFUSED" else FAILED)
        except RecordFailedError as error:
            _LOG.critical("worker %d: %s Remedy: %s", number, error, RECORDS_REMEDY)
            sys.exit(FAILED)

    async def _serve(self, number: int, listener: socket.socket, lifeline: int, ready: Callable[[], None]) -> None:
        row = self._tally.row(number)
        settings = self._file.timestamping
        async with composed(settings, lambda log: CountedLog(log, row)) as authority:
            admission = NetworkAdmission(settings.door, self._capacities)
            door = TimestampingApp(authority.authority, admission, answered=row.answered)
            app = AuthorityApp(door, authority, self._tally, settings.door.monitors)
            server = _Server(_config(app, Connections(admission.owner, with_descriptors())), ready)
            asyncio.get_running_loop().add_reader(lifeline, _orphaned, server, lifeline)
            gc.collect()
            gc.freeze()
            await server.serve([listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._sweep = Sweep()

    async def on_tick(self, counter: int) -> bool:
        """Run ten times a second."""
        if counter % 10 == 0:
            self._sweep(self.server_state.connections)
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _config(app: AuthorityApp, bounds: Connections) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol_of(bounds),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        proxy_headers=False,
    )


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415 - a loop is made in the worker only

    return uvloop.new_event_loop()


def _orphaned(server: uvicorn.Server, lifeline: int) -> None:
    asyncio.get_running_loop().remove_reader(lifeline)
    if not os.read(lifeline, 1):
        _LOG.error("the supervisor is gone; this worker stops")
        server.should_exit = True
