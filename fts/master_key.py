"""The master key as it is kept: wrapped by a key that never leaves a PKCS#11 token or, outside PROD, in a plain file.

The wrapped form (AES-256-GCM by the token) is worthless without the token. A process unwraps it at its start, in the
thread that touches PKCS#11 (ADR 2); the session ends with that. While another wrapping key takes over
(`fts.key_rotation`), the form before lies beside the new one and is read where the configuration still names its key.
"""

import json
import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fts.configuration import Configuration, KeyToken
from fts.keyring import Keyring, KeyringError

FORMAT: Final = "fts-master-key-1"
_MASTER_BYTES: Final = 32
_FILE_BYTES: Final = 4096
_LOG: Final = logging.getLogger("fts")


def keyring_of(configuration: Configuration) -> Keyring:
    """Return the keyring over the configured master key.

    Raises:
        KeyringError: the file or the token cannot be used, or they do not belong together.
    """
    token = configuration.master_key_token
    if token is None:
        _LOG.warning("THE MASTER KEY IS A PLAIN FILE: whoever reads it reads every document; refused in PROD")
        return Keyring.from_file(configuration.master_key)
    path, previous = configuration.master_key, previous_of(configuration.master_key)
    if previous.exists() and not read(path).is_under(token) and read(previous).is_under(token):
        _LOG.warning("the master key is read from %s: another wrapping key is taking over", previous)
        path = previous
    return Keyring(unwrapped(path, token))


def previous_of(path: Path) -> Path:
    """Return where the form under the wrapping key before lies until the new one is confirmed."""
    return path.with_name(f"{path.name}.previous")


@dataclass(frozen=True, slots=True)
class Wrapped:
    """The master key as a file holds it."""

    token: str
    """Label of the token of the wrapping key; a note, which nothing authenticates."""
    label: str
    """Label of the wrapping key; likewise."""
    nonce: bytes
    ciphertext: bytes

    def is_under(self, token: KeyToken) -> bool:
        """Tell whether the notes name the key of `token`."""
        return (self.token, self.label) == (token.token, token.label)

    def text(self) -> str:
        """Return what stands in the file: one line of JSON."""
        kept = {"format": FORMAT, "token": self.token, "label": self.label}
        return json.dumps({**kept, "nonce": self.nonce.hex(), "wrapped": self.ciphertext.hex()}) + "\n"


def read(path: Path) -> Wrapped:
    """Read a wrapped master key.

    Raises:
        KeyringError: the file holds none.
    """
    try:
        with path.open("rb") as file:
            kept = json.loads(file.read(_FILE_BYTES))
        if kept["format"] != FORMAT:
            raise ValueError("it is of another format")
        octets = (bytes.fromhex(kept[member]) for member in ("nonce", "wrapped"))
        return Wrapped(str(kept["token"]), str(kept["label"]), *octets)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise KeyringError(f"{path} is no wrapped master key (fts master-key create makes one): {error}") from error


def wrapped(master: bytes, token: KeyToken) -> Wrapped:
    """Wrap a master key under the token's key, which is made where there is none.

    Raises:
        KeyringError: the token cannot be used.
    """
    from fts.wrapping_key import wrap  # noqa: PLC0415 - PKCS#11 only where there is a token

    return Wrapped(token.token, token.label, *wrap(master, token, FORMAT.encode()))


def unwrapped(path: Path, token: KeyToken) -> bytes:
    """Return the master key that a file holds, by the token's key.

    Raises:
        KeyringError: the file or the token cannot be used, or they do not belong together.
    """
    from fts.wrapping_key import unwrap  # noqa: PLC0415 - as above

    kept = read(path)
    try:
        return unwrap(kept.nonce, kept.ciphertext, token, FORMAT.encode())
    except ValueError as error:
        raise KeyringError(
            f"{path} was changed, or was wrapped by another key than {token.label!r} of {token.token!r}"
        ) from error


def create(configuration: Configuration) -> None:
    """Make a new master key in the new file that is configured; with a token, the wrapping key too where there is none.

    Raises:
        KeyringError: the file exists, or the token cannot be used.
    """
    token = configuration.master_key_token
    try:
        if token is None:
            Keyring.create_file(configuration.master_key)
            return
        text = wrapped(secrets.token_bytes(_MASTER_BYTES), token).text()
        with open(
            configuration.master_key, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)
        ) as file:
            file.write(text)
    except FileExistsError as error:
        raise KeyringError(f"{configuration.master_key} is there already, and is not replaced") from error
    except OSError as error:
        raise KeyringError(f"the master key cannot be written: {error}") from error
