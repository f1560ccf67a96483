"""The web tier's process: the application behind uvicorn."""

import asyncio
import gc
import os
import socket
from typing import Final

import uvicorn

from fts.configuration import Configuration
from fts.errors import RefusalError
from fts.exits import REFUSED, fail
from fts.services import probe_buckets, wired
from fts.web import application

_GRACE_SECONDS: Final = 3
_BACKLOG: Final = 512


def serve(configuration: Configuration, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; says `web ready on URL` when it listens.

    Raises:
        RefusalError: STORE_UNFIT, or the configuration is incomplete.
        StorageError: the store does not work.
    """
    asyncio.run(_try_store(configuration))
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


async def _try_store(configuration: Configuration) -> None:
    async with wired(configuration, "web") as services:
        await probe_buckets(services)


def _check_unit(configuration: Configuration) -> None:
    """End the program, with a reason, where the gateway's own authority could not issue timestamps."""
    if configuration.timestamping is None:
        return
    from fts.tsa.composition import RECORDS_REMEDY, opened_unit  # noqa: PLC0415 - only where there is an authority
    from timestamping.authority.unit import UnitUnfitError  # noqa: PLC0415 - as above

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
