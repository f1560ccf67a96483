"""The key store: wrapped keys by owner, outside the database and every backup. Deleting a key is destruction."""

import asyncio
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from storage.ports import StorageError

_PART: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TEMPORARY: Final = "."
"""Begins the name of a file that is being written; no key has it."""


class KeyMissingError(StorageError):
    """There is no such key: it never was, or what it protected was destroyed."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as a listing shows it."""

    owner: str
    key_id: str
    modified_at: datetime


class KeyStore(Protocol):
    """Keys are written once and deleted, never changed."""

    async def put(self, owner: str, key_id: str, wrapped: bytes) -> None:
        """Store a wrapped key durably.

        Raises:
            StorageError: it could not be stored.
        """

    async def get(self, owner: str, key_id: str) -> bytes:
        """Return a wrapped key.

        Raises:
            KeyMissingError: there is none.
        """

    def holds(self, owner: str, key_id: str) -> bool:
        """Tell, from any thread, whether a key is still there; what cannot be told is no."""

    async def delete(self, owner: str, key_id: str) -> None:
        """Delete a key for good; nothing happens where there is none."""

    async def delete_owner(self, owner: str) -> None:
        """Delete all keys of an owner."""

    async def listing(self) -> list[StoredKey]:
        """List all keys; what a crash left half-written too, to be deleted."""


class FileKeyStore:
    """One file a key below `root`; several nodes share the directory by replication, never by a backup."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def put(self, owner: str, key_id: str, wrapped: bytes) -> None:
        """See `KeyStore.put`."""
        await asyncio.to_thread(self._put, self._path(owner, key_id), wrapped)

    async def get(self, owner: str, key_id: str) -> bytes:
        """See `KeyStore.get`."""
        path = self._path(owner, key_id)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError as error:
            raise KeyMissingError(f"there is no key {owner}/{key_id}") from error
        except OSError as error:
            raise StorageError(f"the key {owner}/{key_id} cannot be read: {error.strerror}") from error

    def holds(self, owner: str, key_id: str) -> bool:
        """See `KeyStore.holds`."""
        try:
            return self._path(owner, key_id).stat().st_size > 0
        except OSError:
            return False

    async def delete(self, owner: str, key_id: str) -> None:
        """See `KeyStore.delete`."""
        name = key_id.removeprefix(_TEMPORARY)
        await asyncio.to_thread(_destroy, self._path(owner, name).with_name(key_id))

    async def delete_owner(self, owner: str) -> None:
        """See `KeyStore.delete_owner`."""
        await asyncio.to_thread(self._delete_owner, self._path(owner, "_").parent)

    async def listing(self) -> list[StoredKey]:
        """See `KeyStore.listing`."""
        return await asyncio.to_thread(self._listed)

    def _path(self, owner: str, key_id: str) -> Path:
        if not (_PART.fullmatch(owner) and _PART.fullmatch(key_id)):
            raise ValueError(f"{owner!r}/{key_id!r} is no name of a key")
        return self._root / owner / key_id

    def _put(self, path: Path, wrapped: bytes) -> None:
        temporary = path.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                synchronise(self._root)
            try:
                with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                    file.write(wrapped)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.rename(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            synchronise(path.parent)
        except OSError as error:
            raise StorageError(f"a key cannot be stored: {error.strerror}") from error

    def _delete_owner(self, directory: Path) -> None:
        if not directory.is_dir():
            return
        for path in directory.iterdir():
            _destroy(path)
        shutil.rmtree(directory, ignore_errors=True)

    def _listed(self) -> list[StoredKey]:
        found = []
        for owner in self._root.iterdir():
            for path in owner.iterdir() if owner.is_dir() else ():
                try:
                    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                except FileNotFoundError:
                    continue
                found.append(StoredKey(owner.name, path.name, modified))
        return found


def synchronise(directory: Path) -> None:
    """Make what was created, renamed or removed in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _destroy(path: Path) -> None:
    """Overwrite and remove a file; the file system may keep the old octets, which the master key still wraps."""
    try:
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        synchronise(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"a key cannot be deleted: {error.strerror}") from error
