"""What the gateway sees of a store of objects: octets under names that the gateway makes."""

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


class ObjectStore(Protocol):
    """Objects are written once, whole, under `bucket/name`, and never changed."""

    async def put(self, name: str, source: Path) -> None:
        """Store the file `source` under `name`, durably, and leave the file as it is.

        Raises:
            StorageError: it could not be stored; nothing is visible under the name.
        """

    async def fetch(self, name: str, destination: Path) -> None:
        """Write the object to the new file `destination`.

        Raises:
            ObjectMissingError: there is none.
        """

    async def open(self, name: str) -> BinaryIO:
        """Open the object for reading at any position.

        Raises:
            ObjectMissingError: there is none.
        """

    async def delete(self, name: str) -> None:
        """Remove the object; nothing happens where there is none."""

    async def check(self) -> None:
        """Write, read and delete a small object.

        Raises:
            StorageError: the store does not work.
        """

    def listing(self) -> AsyncIterator[Stored]:
        """List all objects."""
