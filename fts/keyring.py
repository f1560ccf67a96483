"""The gateway's secrets: one master key, from which each purpose has a key of its own (RFC 5869).

| purpose | what for | when the master key changes |
|---|---|---|
| client-secret | keyed hashes of clients' secrets | clients get new secrets |
| signing-link | the secret in a signing URL, made from the signing's identifier | open links end |
| session | keyed hashes of page sessions | signers open their link again |
| webhook | the secret that signs a client's messages | clients get new secrets |
| signer | keyed hash of a signer's identification number in the trail | search by number ends at that time |
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

Purpose = Literal["client-secret", "signing-link", "session", "webhook", "signer"]

_MASTER_BYTES: Final = 32


class KeyringError(RuntimeError):
    """The master key cannot be read; the text says what to do."""


class Keyring:
    """Derives what each purpose needs from the master key."""

    def __init__(self, master: bytes) -> None:
        if len(master) != _MASTER_BYTES:
            raise KeyringError(f"the master key must have {_MASTER_BYTES} octets")
        self._keys = {
            purpose: HKDFExpand(SHA256(), 32, f"fts-gateway {purpose}".encode()).derive(master)
            for purpose in ("client-secret", "signing-link", "session", "webhook", "signer")
        }

    @classmethod
    def from_file(cls, path: Path) -> "Keyring":
        """Read the master key: 64 hexadecimal digits.

        Raises:
            KeyringError: there is none, it is malformed, or others than its owner may read it.
        """
        try:
            if path.stat().st_mode & 0o077:
                raise KeyringError(f"{path} can be read by others: chmod 600 {path}")
            return cls(bytes.fromhex(path.read_text(encoding="ascii")))
        except (OSError, ValueError) as error:
            raise KeyringError(f"the master key cannot be read from {path}: {error}") from error

    @staticmethod
    def create_file(path: Path) -> None:
        """Write a new master key to the new file `path`."""
        with open(path, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_hex(_MASTER_BYTES) + "\n")

    def mac(self, purpose: Purpose, message: str) -> bytes:
        """Return the keyed hash of a message, 32 octets (HMAC-SHA256)."""
        return hmac.digest(self._keys[purpose], message.encode(), hashlib.sha256)

    def token(self, purpose: Purpose, message: str) -> str:
        """Return the keyed hash as text for a URL, 43 characters."""
        return base64.urlsafe_b64encode(self.mac(purpose, message)).rstrip(b"=").decode()

    def matches(self, purpose: Purpose, message: str, mac: bytes | None) -> bool:
        """Tell, in constant time, whether `mac` is the keyed hash of the message."""
        return hmac.compare_digest(self.mac(purpose, message), mac or bytes(32))
