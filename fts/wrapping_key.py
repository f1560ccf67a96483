"""The key in a PKCS#11 token that wraps the master key (AES-256-GCM by the token); it never leaves the token."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, PKCS11Error, UserAlreadyLoggedIn

from fts.configuration import KeyToken
from fts.keyring import KeyringError

_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BITS: Final = 128


def wrap(secret: bytes, token: KeyToken, context: bytes) -> tuple[bytes, bytes]:
    """Return nonce and ciphertext of a secret under the token's key, which is made where there is none.

    `context` is authenticated with it.

    Raises:
        KeyringError: the token cannot be used.
    """
    with _session(token, writing=True) as session:
        key = _wrapping_key(session, token) or _generated(session, token)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        try:
            return nonce, bytes(key.encrypt(secret, **_gcm(nonce, context)))
        except PKCS11Error as error:
            raise KeyringError(f"the key {token.label!r} of {token.token!r} does not wrap: {error!r}") from error


def unwrap(nonce: bytes, ciphertext: bytes, token: KeyToken, context: bytes) -> bytes:
    """Return what was wrapped.

    Raises:
        ValueError: it was changed, or wrapped by another key.
        KeyringError: the token cannot be used.
    """
    with _session(token) as session:
        key = _wrapping_key(session, token)
        if key is None:
            raise KeyringError(f"the token {token.token!r} has no key {token.label!r}")
        try:
            return bytes(key.decrypt(ciphertext, **_gcm(nonce, context)))
        except PKCS11Error as error:
            raise ValueError("the token refuses it") from error


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
    if length != _BYTES:
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


def _gcm(nonce: bytes, context: bytes) -> dict[str, Any]:
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, context, _TAG_BITS)}
