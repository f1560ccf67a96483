"""Steps of a ceremony, each in a process of its own that is forked where everything is imported already."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from fts import key_rotation
from fts.audit.service import Actor
from fts.configuration import load
from fts.keyring import KeyringError
from fts.master_key import keyring_of, unwrapped

DEAD: Final = 9
"""Exit status of a process that died at its moment."""
_OPERATOR: Final = Actor("operator", name="test")
_PROCESSES: Final = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


def stepped(directory: Path, step: Callable[..., Any], *arguments: Any) -> Any:
    """Do a step with the token of `directory` and return what it returns, or the text of its refusal."""
    mine, theirs = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_inside, args=(directory, theirs, step, arguments))
    process.start()
    theirs.close()
    with closing(mine):
        try:
            result = mine.recv()
        except EOFError:
            process.join()
            assert process.exitcode == DEAD
            result = DEAD
    process.join()
    process.close()
    return result


def _inside(directory: Path, told: Connection, step: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ["SOFTHSM2_CONF"] = str(directory / "softhsm2.conf")
    with closing(told):
        try:
            told.send(step(*arguments))
        except KeyringError as error:
            told.send(f"refused: {error}")


def mac(config: Path) -> str:
    """Return what the key makes of a message."""
    return keyring_of(load(config)).mac("signer", "x").hex()


def master(config: Path) -> bytes:
    """Return the master key itself."""
    configuration = load(config)
    assert configuration.master_key_token is not None
    return unwrapped(configuration.master_key, configuration.master_key_token)


def rewrap(before: Path, after: Path) -> None:
    """Let the new key take over."""
    asyncio.run(key_rotation.rewrap(load(before), load(after), _OPERATOR))


def confirm(config: Path) -> None:
    """Confirm it."""
    asyncio.run(key_rotation.confirm(load(config), _OPERATOR))


def dying(before: Path, after: Path, name: str, moment: str) -> None:
    """Let the new key take over, and die before or after something."""
    owner: Any = Path if hasattr(Path, name) else key_rotation
    done = getattr(owner, name)

    def die(*arguments: Any, **more: Any) -> None:
        if moment == "after":
            done(*arguments, **more)
        os._exit(DEAD)

    with patch.object(owner, name, die):
        rewrap(before, after)
