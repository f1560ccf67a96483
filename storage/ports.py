"""What the gateway sees of a store of objects: octets under names that the gateway makes, in a bucket per client."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol


class StorageError(Exception):
    """The store failed: full, gone or refusing."""


class ObjectMissingError(StorageError):
    """There is no such object."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as a listing shows it."""

    name: str
    size: int
    """Octets."""
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe of a store found: a property that the gateway relies on, and whether the server has it."""

    property: str
    holds: bool
    detail: str


class ObjectStore(Protocol):
    """Objects are written once, whole, under `bucket/name`, and never changed."""

    async def put(self, name: str, source: Path) -> None:
        """Store the file `source` under `name`, durably; the bucket is made if missing.

        The file stays, but must not be changed afterwards: the store may keep it under a second name.

        Raises:
            StorageError: it could not be stored; nothing is visible under the name.
        """

    async def open(self, name: str) -> BinaryIO:
        """Open the object for reading once from its beginning, without holding it in memory.

        Raises:
            ObjectMissingError: there is none.
            StorageError: it cannot be read; reading may raise it later, too.
        """

    async def delete(self, name: str) -> None:
        """Remove the object with all of its versions; nothing happens where there is none."""

    async def check(self) -> None:
        """Write, read and delete a small object.

        Raises:
            StorageError: the store does not work.
        """

    async def probe(self, bucket: str) -> list[Finding]:
        """Try what the store really enforces: that others cannot read, that what is deleted is gone, and so on."""

    def listing(self, bucket: str | None = None) -> AsyncIterator[Stored]:
        """List all objects, or those of one bucket; old versions and half-written ones too, where they can be seen.

        Raises:
            StorageError: at the end, where some bucket could not be listed; the others were.
        """

    async def discard_unfinished(self, before: datetime) -> int:
        """Remove uploads that were begun before a moment and never finished; return how many.

        Raises:
            StorageError: at the end, where some bucket failed; the others did not.
        """

    async def remove_bucket(self, bucket: str) -> None:
        """Remove a bucket with everything in it; nothing happens where there is none."""
