"""The gateway's secrets: one master key, from which each purpose has a key of its own (RFC 5869).

| purpose | what for | when the master key changes |
|---|---|---|
| client-secret | keyed hashes of clients' secrets | clients get new secrets |
| signing-link | the secret in a signing URL, made from the signing's identifier | open links end |
| session | keyed hashes of page sessions | signers open their link again |
| webhook | the secret that signs a client's messages | clients get new secrets |
| signer | keyed hash of a signer's identification number in the trail | search by number ends at that time |
| idempotency | keyed hashes of Idempotency-Key and request | a repeated request makes another signing |
| audit-custody | encrypts the personal parts of the trail and of incidents | see docs/adr/0007-the-trail.md |
| documents | wraps the keys of documents | open documents cannot be read: at most five days |
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

MacPurpose = Literal["client-secret", "signing-link", "session", "webhook", "signer", "idempotency", "incident"]
SealPurpose = Literal["audit-custody", "documents"]

_MASTER_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class KeyringError(RuntimeError):
    """The master key cannot be read; the text says what to do."""


class Keyring:
    """Derives what each purpose needs from the master key."""

    def __init__(self, master: bytes) -> None:
        if len(master) != _MASTER_BYTES:
            raise KeyringError(f"the master key must have {_MASTER_BYTES} octets")
        self._keys: dict[str, bytes] = dict(_derived(master, get_args(MacPurpose)))
        self._ciphers = {purpose: AESGCM(key) for purpose, key in _derived(master, get_args(SealPurpose))}

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

    def mac(self, purpose: MacPurpose, message: str) -> bytes:
        """Return the keyed hash of a message, 32 octets (HMAC-SHA256)."""
        return hmac.digest(self._keys[purpose], message.encode(), hashlib.sha256)

    def token(self, purpose: MacPurpose, message: str) -> str:
        """Return the keyed hash as text for a URL, 43 characters."""
        return base64.urlsafe_b64encode(self.mac(purpose, message)).rstrip(b"=").decode()

    def matches(self, purpose: MacPurpose, message: str, mac: bytes | None) -> bool:
        """Tell, in constant time, whether `mac` is the keyed hash of the message."""
        return hmac.compare_digest(self.mac(purpose, message), mac or bytes(32))

    @staticmethod
    def same(one: bytes, other: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(one, other)

    def seal(self, purpose: SealPurpose, plaintext: bytes, context: str) -> bytes:
        """Encrypt (AES-256-GCM, random nonce); the result opens with the same purpose and context only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[purpose].encrypt(nonce, plaintext, context.encode())

    def unseal(self, purpose: SealPurpose, sealed: bytes, context: str) -> bytes:
        """Decrypt.

        Raises:
            KeyringError: it was changed, or belongs to another key or context.
        """
        try:
            nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._ciphers[purpose].decrypt(nonce, rest, context.encode())
        except (InvalidTag, ValueError) as error:
            raise KeyringError(f"what was sealed for {purpose} does not open with this master key") from error


def _derived(master: bytes, purposes: Iterable[str]) -> list[tuple[str, bytes]]:
    return [
        (purpose, HKDFExpand(SHA256(), 32, f"fts-gateway {purpose}".encode()).derive(master)) for purpose in purposes
    ]
