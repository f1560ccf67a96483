"""Running the processes of the gateway: web, worker and sequencer."""

import asyncio
import gc
import logging
import os
import socket
import sys

import uvicorn

from fts.configuration import Configuration
from fts.errors import RefusalError
from fts.exits import REFUSED, fail
from fts.master_key import keyring_of
from fts.trail_process import chain
from fts.tsa.composition import RECORDS_REMEDY, opened_unit
from fts.web import application
from fts.worker import work
from timestamping.authority.unit import UnitUnfitError

_GRACE_SECONDS = 3
_BACKLOG = 512


def serve_web(configuration: Configuration, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; says `web ready on URL` when it listens."""
    _start(configuration)
    _check_unit(configuration)
    listener = socket.create_server((host, port), backlog=_BACKLOG)
    # accepted sockets inherit it; without, an answer in two pieces waits 40 ms
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        application(configuration),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        proxy_headers=False,
    )
    server = _Announced(config, f"web ready on {configuration.public_url}")
    gc.freeze()
    server.run([listener])


def serve_worker(configuration: Configuration) -> None:
    """Work until SIGTERM or SIGINT; says `worker ready` when it claims jobs."""
    _start(configuration)
    asyncio.run(work(configuration))


def serve_sequencer(configuration: Configuration) -> None:
    """Chain the trail until SIGTERM or SIGINT; says `sequencer ready` when it begins."""
    _start(configuration)
    asyncio.run(chain(configuration))


def _check_unit(configuration: Configuration) -> None:
    """End the program, with a reason, where the gateway's own authority could not issue timestamps."""
    if configuration.timestamping is None:
        return
    records = configuration.timestamping.records
    try:
        records.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(records, os.W_OK | os.X_OK):
            fail(RefusalError("RECORDS_UNWRITABLE", f"{records} cannot be written", RECORDS_REMEDY), REFUSED)
        with opened_unit(configuration.timestamping):
            pass
    except OSError as error:
        fail(RefusalError("RECORDS_UNWRITABLE", str(error), RECORDS_REMEDY), REFUSED)
    except UnitUnfitError as error:
        fail(RefusalError(error.code, str(error), error.remedy), REFUSED)
    except RefusalError as error:
        fail(error, REFUSED)


class _Announced(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, sentence: str) -> None:
        super().__init__(config)
        self._sentence = sentence

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._sentence, flush=True)  # noqa: T201 - what a supervisor waits for


def _start(configuration: Configuration) -> None:
    """Set up logging, and refuse to start half-configured."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    keyring_of(configuration)
    configuration.engine_settings()
    if configuration.environment != "PROD":
        logging.getLogger("fts").warning(
            "environment %s: keys are in files, signatures have no legal value", configuration.environment
        )
