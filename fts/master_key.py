"""The master key as it is kept: wrapped by a key that never leaves a PKCS#11 token or, outside PROD, in a plain file.

The wrapped form (AES-256-GCM by the token) is worthless without the token. A process unwraps it at its start, in the
thread that touches PKCS#11 (ADR 2); the session ends with that. While another wrapping key takes over
(`fts.key_rotation`), the form before lies beside the new one and is read where the configuration still names its key.
"""

import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, PKCS11Error, UserAlreadyLoggedIn

from fts.configuration import Configuration, KeyToken
from fts.keyring import Keyring, KeyringError

FORMAT: Final = "fts-master-key-1"
_MASTER_BYTES: Final = 32
_WRAPPING_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BITS: Final = 128
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
    with _session(token, writing=True) as session:
        key = _wrapping_key(session, token) or _generated(session, token)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        try:
            return Wrapped(token.token, token.label, nonce, bytes(key.encrypt(master, **_gcm(nonce))))
        except PKCS11Error as error:
            raise KeyringError(f"the key {token.label!r} of {token.token!r} does not wrap: {error!r}") from error


def unwrapped(path: Path, token: KeyToken) -> bytes:
    """Return the master key that a file holds, by the token's key.

    Raises:
        KeyringError: the file or the token cannot be used, or they do not belong together.
    """
    kept = read(path)
    with _session(token) as session:
        key = _wrapping_key(session, token)
        if key is None:
            raise KeyringError(f"the token {token.token!r} has no key {token.label!r}")
        try:
            return bytes(key.decrypt(kept.ciphertext, **_gcm(kept.nonce)))
        except PKCS11Error as error:
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


@contextmanager
def _session(token: KeyToken, *, writing: bool = False) -> Iterator[Any]:
    """Open a session that is logged in; another part of the process may be logged in to the same token already."""
    try:
        if token.pin_file.stat().st_mode & 0o077:
            raise KeyringError(f"{token.pin_file} can be read by others: chmod 600 {token.pin_file}")
        pin = token.pin_file.read_text(encoding="utf-8").split("\n", 1)[0]
        found = pkcs11.lib(str(token.module)).get_token(token_label=token.token)
        try:
            session = found.open(rw=writing, user_pin=pin)
        except UserAlreadyLoggedIn:
            session = found.open(rw=writing)
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringError(f"the token's PIN cannot be read: {error}") from error
    except (PKCS11Error, RuntimeError) as error:
        name = str(error) or type(error).__name__
        raise KeyringError(f"the token {token.token!r} of {token.module} cannot be used: {name}") from error
    with session:
        yield session


def _wrapping_key(session: Any, token: KeyToken) -> Any | None:
    try:
        key = session.get_key(object_class=ObjectClass.SECRET_KEY, key_type=KeyType.AES, label=token.label)
        length = key[Attribute.VALUE_LEN]
    except NoSuchKey:
        return None
    except PKCS11Error as error:
        raise KeyringError(f"the key {token.label!r} of {token.token!r} cannot be used: {error}") from error
    if length != _WRAPPING_BYTES:
        raise KeyringError(
            f"the key {token.label!r} of {token.token!r} is not of 256 bits: make one under another label"
        )
    return key


def _generated(session: Any, token: KeyToken) -> Any:
    template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
    try:
        return session.generate_key(KeyType.AES, 256, label=token.label, store=True, template=template)
    except PKCS11Error as error:
        raise KeyringError(f"the token {token.token!r} makes no AES key: {type(error).__name__}") from error


def _gcm(nonce: bytes) -> dict[str, Any]:
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, FORMAT.encode(), _TAG_BITS)}
