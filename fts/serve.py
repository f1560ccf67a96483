"""The processes of the gateway: `python -m fts.serve web|worker|sequencer --config FILE`.

`fts web`, `fts worker` and `fts sequencer` become one of these: the same process, in an interpreter that is started
anew, which loads what its tier needs and nothing of the command line.
"""
# ruff: noqa: PLC0415 - each tier loads what it needs

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from fts.configuration import Configuration, load
from fts.dumps import forbid_dumps
from fts.errors import RefusalError
from fts.exits import REFUSED, WRONG_USE, fail, refused_as
from fts.keyring import KeyringError
from fts.master_key import keyring_of
from fts.profiles.registry import profiles
from storage.ports import StorageError

_ALLOCATOR: Final = {"MALLOC_ARENA_MAX": "1"}
"""Of glibc: the few threads share one heap, so that what one gave back another takes."""


def become(tier: str, config: Path, *options: str) -> NoReturn:
    """Turn this process into one of a tier."""
    sys.stdout.flush()
    environment = {**_ALLOCATOR, **os.environ}
    arguments = [sys.executable, "-m", "fts.serve", tier, "--config", str(config.absolute()), *options]
    os.execve(sys.executable, arguments, environment)  # noqa: S606 - constant program, list of arguments


def serving(work: Callable[[], None]) -> None:
    """Do what a process begins with; where it may not run, two lines say why."""
    try:
        work()
    except RefusalError as error:
        fail(error, REFUSED)
    except KeyringError as error:
        fail(RefusalError("MASTER_KEY_REFUSED", str(error), "Correct what is named."), REFUSED)
    except StorageError as error:
        fail(RefusalError("STORE_UNAVAILABLE", str(error), "Start again when the store answers."), REFUSED)


def main() -> None:
    """Serve as the command line says, until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m fts.serve", description="A process of the gateway.")
    parser.add_argument("tier", choices=("web", "worker", "sequencer"))
    parser.add_argument("--config", type=Path, required=True, help="configuration file (TOML)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (web)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (web)")
    options = parser.parse_args()
    refused_as(WRONG_USE, profiles)
    configuration = refused_as(WRONG_USE, partial(load, options.config))
    serving(lambda: _start(configuration))
    if options.tier == "web":
        from fts.web_process import serve

        serving(lambda: serve(configuration, options.host, options.port))
    elif options.tier == "worker":
        from fts.worker import work

        serving(lambda: asyncio.run(work(configuration)))
    else:
        from fts.trail_process import chain

        asyncio.run(chain(configuration))


def _start(configuration: Configuration) -> None:
    """Set up logging, forbid dumps, and refuse to start half-configured."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    forbid_dumps()
    keyring_of(configuration)
    configuration.engine_settings()
    if configuration.environment != "PROD":
        logging.getLogger("fts").warning(
            "environment %s: keys are in files, signatures have no legal value", configuration.environment
        )


if __name__ == "__main__":
    main()
