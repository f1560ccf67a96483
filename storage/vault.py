"""Objects and their keys together: what is stored is encrypted, and unreadable as soon as its key is deleted."""

import asyncio
import secrets
import shutil
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from storage.envelope import DocumentKey
from storage.keys import KeyMissingError, KeyStore
from storage.ports import ObjectMissingError, ObjectStore, StorageError
from storage.spooling import new_file

_CHUNK: Final = 1 << 20


class MasterKey(Protocol):
    """What wraps the documents' keys."""

    def wrap(self, octets: bytes, context: str) -> bytes:
        """Encrypt a key for one place, the `context`."""

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Decrypt a key.

        Raises:
            StorageError: it was changed, or wrapped by another master key.
        """


class Vault:
    """The documents of all clients: `owner` is the client, each document has one key for all that comes of it."""

    def __init__(self, objects: ObjectStore, keys: KeyStore, master: MasterKey) -> None:
        self.objects = objects
        self.keys = keys
        self._master = master

    async def new_key(self, owner: str) -> tuple[str, DocumentKey]:
        """Make a key and return its id with it."""
        key_id, octets = secrets.token_hex(16), DocumentKey.new_octets()
        await self.keys.put(owner, key_id, self._master.wrap(octets, f"{owner}/{key_id}"))
        return key_id, DocumentKey(octets)

    async def key(self, owner: str, key_id: str) -> DocumentKey:
        """Return a document's key.

        Raises:
            KeyMissingError: the document was destroyed.
            StorageError: the key cannot be read.
        """
        wrapped = await self.keys.get(owner, key_id)
        octets = self._master.unwrap(wrapped, f"{owner}/{key_id}")
        return DocumentKey(octets, partial(self.keys.holds, owner, key_id))

    async def put(self, key: DocumentKey, name: str, plaintext: Path) -> None:
        """Encrypt a file beside itself and store it."""
        encrypted = plaintext.with_name(f"{plaintext.name}.sealed")
        await asyncio.to_thread(_encrypt, key, name, plaintext, encrypted)
        await self.objects.put(name, encrypted)
        encrypted.unlink()

    async def open(self, key: DocumentKey, name: str) -> BinaryIO:
        """Open an object's plaintext for reading once from its beginning.

        Raises:
            ObjectMissingError: there is none.
            EnvelopeError: it was changed; reading may raise it later, too.
            KeyMissingError: the document was destroyed in the meantime; reading may raise it later, too.
        """
        try:
            stored = await self.objects.open(name)
        except ObjectMissingError as error:
            if not key.is_kept():
                raise KeyMissingError(f"the object {name} was destroyed before it was read") from error
            raise
        return await asyncio.to_thread(key.decrypting, stored, name)

    async def fetch(self, key: DocumentKey, name: str, destination: Path) -> None:
        """Write an object's plaintext to the new file `destination`."""
        with await self.open(key, name) as stream:
            await asyncio.to_thread(_copy, stream, destination)


def _encrypt(key: DocumentKey, name: str, plaintext: Path, encrypted: Path) -> None:
    try:
        with plaintext.open("rb") as source, key.encrypting(new_file(encrypted), name) as sealed:
            shutil.copyfileobj(source, sealed, _CHUNK)
    except OSError as error:
        raise StorageError(f"{name} cannot be encrypted: {error.strerror}") from error


def _copy(stream: BinaryIO, destination: Path) -> None:
    try:
        with new_file(destination) as output:
            shutil.copyfileobj(stream, output, _CHUNK)
    except OSError as error:
        raise StorageError(f"an object cannot be written to the spool: {error.strerror}") from error
