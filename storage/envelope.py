"""Envelope encryption of objects and small values: each object has its own data key, wrapped by its document's key.

An object is: magic, length of the wrapped data key (2 octets, big-endian), the wrapped data key, then the content under
Tink's streaming AEAD AES256_GCM_HKDF_1MB. The object's name is associated data of both.
"""

import io
import secrets
from collections.abc import Callable
from typing import BinaryIO, Final, cast

import tink
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tink import secret_key_access, streaming_aead

from storage.keys import KeyMissingError
from storage.ports import StorageError

_MAGIC: Final = b"FTSE\x01"
_LENGTH_BYTES: Final = 2
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_CHUNK: Final = 1 << 18

streaming_aead.register()


class EnvelopeError(StorageError):
    """What is stored was changed, or belongs elsewhere."""


class DocumentKey:
    """The key of one document: wraps the data keys of its objects and seals its small values.

    `is_kept` tells whether the key store still has it: what is being read ends there when it has not (FTS-GDPR-1).
    """

    def __init__(self, octets: bytes, is_kept: Callable[[], bool] = lambda: True) -> None:
        self.is_kept = is_kept
        if len(octets) != _KEY_BYTES:
            raise EnvelopeError("a document's key has 32 octets")
        self._cipher = AESGCM(octets)

    @staticmethod
    def new_octets() -> bytes:
        """Return the octets of a new key."""
        return secrets.token_bytes(_KEY_BYTES)

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt a small value (AES-256-GCM, random nonce) for one place, the `context`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Decrypt a small value.

        Raises:
            EnvelopeError: it was changed or moved from another place.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise EnvelopeError(f"what was sealed for {context} does not open") from error

    def encrypting(self, file: BinaryIO, name: str) -> BinaryIO:
        """Return a stream whose octets go encrypted into `file`; closing it closes the file, too."""
        handle = tink.new_keyset_handle(streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB)
        data_key = tink.proto_keyset_format.serialize(handle, secret_key_access.TOKEN)
        wrapped = self.seal(data_key, f"data key of {name}")
        file.write(_MAGIC + len(wrapped).to_bytes(_LENGTH_BYTES, "big") + wrapped)
        primitive = handle.primitive(streaming_aead.StreamingAead)
        return cast(BinaryIO, primitive.new_encrypting_stream(file, name.encode()))

    def decrypting(self, file: BinaryIO, name: str) -> BinaryIO:
        """Return a stream of the plaintext of `file`; closing it closes the file, and so does a refusal.

        Raises:
            EnvelopeError: this is not the object of that name; reading may raise it later, too.
            KeyMissingError: on reading, the key was deleted in the meantime.
        """
        try:
            return self._opened(file, name)
        except BaseException:
            file.close()
            raise

    def _opened(self, file: BinaryIO, name: str) -> BinaryIO:
        start = file.read(len(_MAGIC) + _LENGTH_BYTES)
        if start[: len(_MAGIC)] != _MAGIC:
            raise EnvelopeError(f"the object {name} is not in the form of the store")
        wrapped = file.read(int.from_bytes(start[len(_MAGIC) :], "big"))
        data_key = self.unseal(wrapped, f"data key of {name}")
        handle = tink.proto_keyset_format.parse(data_key, secret_key_access.TOKEN)
        primitive = handle.primitive(streaming_aead.StreamingAead)
        plaintext = primitive.new_decrypting_stream(file, name.encode())
        return cast(BinaryIO, io.BufferedReader(_Checked(plaintext, name, self.is_kept)))


class _Checked(io.RawIOBase):
    """Gives the library's errors as ours: what was authenticated comes out, nothing else, and only while it may."""

    def __init__(self, stream: BinaryIO, name: str, is_kept: Callable[[], bool]) -> None:
        super().__init__()
        self._stream = stream
        self._name = name
        self._is_kept = is_kept

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._is_kept():
            raise KeyMissingError(f"the object {self._name} was destroyed while it was read")
        try:
            octets = self._stream.read(min(len(buffer), _CHUNK))
        except StorageError:
            raise
        except (tink.TinkError, OSError, ValueError) as error:
            raise EnvelopeError(f"the object {self._name} was changed or cut off") from error
        buffer[: len(octets)] = octets
        return len(octets)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
