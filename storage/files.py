"""Objects as files below one directory: the embedded store."""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from storage.ports import ObjectMissingError, StorageError, Stored

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,128}")
_TEMPORARY: Final = "."
"""Begins the name of a file that is being written; no object has it."""


class FileStore:
    """An `ObjectStore` below `root`; a file appears under its name only when all of it is on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def put(self, name: str, source: Path) -> None:
        """See `ObjectStore.put`."""
        await asyncio.to_thread(self._put, name, source)

    async def fetch(self, name: str, destination: Path) -> None:
        """See `ObjectStore.fetch`."""
        await asyncio.to_thread(self._fetch, name, destination)

    async def open(self, name: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        try:
            return await asyncio.to_thread(self._path(name).open, "rb")
        except FileNotFoundError as error:
            raise ObjectMissingError(f"there is no object {name}") from error

    async def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        await asyncio.to_thread(self._path(name).unlink, missing_ok=True)

    async def check(self) -> None:
        """See `ObjectStore.check`."""
        await asyncio.to_thread(self._check)

    async def listing(self) -> AsyncIterator[Stored]:
        """See `ObjectStore.listing`; files that a crash left half-written are listed too, to be deleted."""
        for stored in await asyncio.to_thread(self._listed):
            yield stored

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name.replace(f"/{_TEMPORARY}", "/", 1)):
            raise ValueError(f"{name!r} is no name of an object")
        return self._root / name

    def _put(self, name: str, source: Path) -> None:
        final = self._path(name)
        temporary = final.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            final.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                with source.open("rb") as octets, temporary.open("xb") as file:
                    shutil.copyfileobj(octets, file, 1 << 20)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.rename(final)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _synchronise(final.parent)
        except OSError as error:
            raise StorageError(f"{name} cannot be stored: {error.strerror}") from error

    def _fetch(self, name: str, destination: Path) -> None:
        try:
            with self._path(name).open("rb") as file, destination.open("xb") as output:
                shutil.copyfileobj(file, output, 1 << 20)
        except FileNotFoundError as error:
            raise ObjectMissingError(f"there is no object {name}") from error
        except OSError as error:
            raise StorageError(f"{name} cannot be read: {error.strerror}") from error

    def _check(self) -> None:
        probe = self._root / f"{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            probe.write_bytes(b"probe")
            if probe.read_bytes() != b"probe":
                raise StorageError("the store does not give back what was written")
            probe.unlink()
        except OSError as error:
            raise StorageError(f"the store cannot be written: {error.strerror}") from error

    def _listed(self) -> list[Stored]:
        found = []
        for bucket in self._root.iterdir():
            for path in bucket.iterdir() if bucket.is_dir() else ():
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                modified = datetime.fromtimestamp(status.st_mtime, UTC)
                found.append(Stored(f"{bucket.name}/{path.name}", status.st_size, modified))
        return found


def _synchronise(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
