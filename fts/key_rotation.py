"""Another wrapping key for the master key (FTS-SEC-3): what is derived from the master key stays as it is.

The form under the new key is written, opened and compared before it takes the old one's place, in one step. The old
form stays beside it until the new one is confirmed: a process starts under the configuration before and under the new
one alike. Whatever interrupts it, one of the two opens, and it may be repeated.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from fts.audit.service import Actor, record
from fts.configuration import Configuration, KeyToken
from fts.keyring import Keyring, KeyringError
from fts.master_key import previous_of, read, unwrapped, wrapped
from fts.services import wired
from storage.keys import synchronise

_UNFINISHED: Final = ".unfinished"


async def rewrap(before: Configuration, after: Configuration, actor: Actor) -> None:
    """Wrap the master key under the key that `after` names; recorded before it is done and when it is done.

    Raises:
        KeyringError: one of the keys cannot be used, or a change before this one is not confirmed; nothing changed.
    """
    old, new = _tokens(before, after)
    path = before.master_key
    previous = previous_of(path)
    if previous.exists() and previous.read_bytes() != path.read_bytes():
        raise KeyringError(f"{previous} is there: confirm the change before this one (fts master-key confirm)")
    master = unwrapped(path, old)
    data = {"from_key": f"{old.token}/{old.label}", "to_key": f"{new.token}/{new.label}"}
    async with wired(before, "operator") as services:
        async with services.database.write() as work:
            await record(work, "master_key.rewrap_begun", actor, **data)
        _exchange(path, previous, master, new)
        async with services.database.write() as work:
            await record(work, "master_key.rewrapped", actor, **data)


async def confirm(configuration: Configuration, actor: Actor) -> None:
    """Remove the form under the wrapping key before, once the new one opens; recorded first.

    Raises:
        KeyringError: there is none, or the configured key does not open the new form; nothing changed.
    """
    token, path = configuration.master_key_token, configuration.master_key
    previous = previous_of(path)
    if token is None or not previous.exists():
        raise KeyringError(f"there is nothing to confirm: {previous} is not there")
    Keyring(unwrapped(path, token))
    if read(previous).is_under(token):
        raise KeyringError(f"{previous} is under the configured key: rewrap was interrupted; repeat it")
    async with wired(configuration, "operator") as services, services.database.write() as work:
        await record(work, "master_key.rewrap_confirmed", actor, key=f"{token.token}/{token.label}")
    previous.unlink()
    synchronise(path.parent)


def _tokens(before: Configuration, after: Configuration) -> tuple[KeyToken, KeyToken]:
    old, new = before.master_key_token, after.master_key_token
    if old is None or new is None:
        raise KeyringError("both configurations need a master_key_token")
    if before.master_key != after.master_key:
        raise KeyringError("master_key: both configurations must name the same file")
    if (old.token, old.label) == (new.token, new.label):
        raise KeyringError("master_key_token: the new key needs another label, or a token of another label")
    return old, new


def _exchange(path: Path, previous: Path, master: bytes, new: KeyToken) -> None:
    made = path.with_name(f"{path.name}{_UNFINISHED}")
    try:
        with suppress(FileNotFoundError):
            made.unlink()
        with open(made, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(wrapped(master, new).text())
            file.flush()
            os.fsync(file.fileno())
        if not secrets.compare_digest(unwrapped(made, new), master):
            raise KeyringError("the new form does not open to the same key; nothing was changed")
        with suppress(FileExistsError):
            previous.hardlink_to(path)
        synchronise(path.parent)
        made.replace(path)
        synchronise(path.parent)
    except OSError as error:
        raise KeyringError(f"the master key cannot be written: {error}") from error
    finally:
        with suppress(FileNotFoundError):
            made.unlink()
