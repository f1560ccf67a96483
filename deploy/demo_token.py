"""A SoftHSM token with given keys and certificates, for the demo and for tests: a card without a reader.

SoftHSM reads its configuration when it is initialised, and a process should initialise PKCS#11 once, in one
thread. The import therefore runs in a process of its own, `python -m deploy.demo_token MODULE`, which takes
keys and PINs as JSON on its standard input and nothing secret as an argument.
"""

import base64
import ctypes
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pkcs11
from asn1crypto.core import Integer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from pkcs11 import Attribute, CertificateType, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.util.ec import decode_ec_private_key
from pkcs11.util.rsa import decode_rsa_private_key

DemoKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_SOFTHSM: Final = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/softhsm/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
)
_CONFIGURATION: Final = "softhsm2.conf"
_TOKENS: Final = "tokens"
_IMPORT_SECONDS: Final = 120


class DemoTokenError(RuntimeError):
    """The token could not be made or found; the text says what to do."""


@dataclass(frozen=True)
class DemoToken:
    """Where a token is: its PKCS#11 module, and the environment that the module's process must start with."""

    module: Path
    environment: Mapping[str, str]


def create_demo_token(
    directory: Path,
    *,
    label: str,
    pin: str,
    entries: Sequence[tuple[str, DemoKey, bytes, Sequence[bytes]]],
) -> DemoToken:
    """Make the new `directory` with one token `label`, user PIN `pin`.

    Each entry is (label, private key, its certificate, its issuers' certificates), certificates in DER. Keys
    can sign and nothing else, cannot be read out and need the PIN; the security officer's PIN is random and
    forgotten. CKA_ID is the SHA-256 of the SubjectPublicKeyInfo. The directory appears complete or not at all.

    Raises:
        DemoTokenError: SoftHSM is missing, `directory` exists or the import failed.
        ValueError: a name or PIN that SoftHSM does not take, or a key that is not its certificate's.
    """
    if not 0 < len(label.encode()) <= 32:
        raise ValueError("a token's label has 1 to 32 bytes in UTF-8")
    if not 4 <= len(pin.encode()) <= 255:
        raise ValueError("a SoftHSM PIN has 4 to 255 bytes")
    order = {
        "label": label,
        "pin": pin,
        "so_pin": secrets.token_hex(16),
        "entries": [_serialised(*entry) for entry in entries],
    }
    module = _softhsm()
    final = directory.resolve()
    if final.exists():
        raise DemoTokenError(f"{final} exists already: load it, or remove it to make the token anew")
    final.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        (building / _TOKENS).mkdir(mode=0o700)
        _import_in_child(module, _configure(building, building), order)
        _configure(building, final)
        building.rename(final)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return load_demo_token(final)


def load_demo_token(directory: Path) -> DemoToken:
    """Return the token that `create_demo_token` made in `directory`, which may have been moved since.

    Raises:
        DemoTokenError: SoftHSM is missing or there is no such token.
    """
    home = directory.resolve()
    if not any((home / _TOKENS).glob("*/token.object")):
        raise DemoTokenError(f"there is no token in {home}: make it with create_demo_token")
    return DemoToken(_softhsm(), {"SOFTHSM2_CONF": str(_configure(home, home))})


def _softhsm() -> Path:
    for module in _SOFTHSM:
        if module.is_file():
            return module
    raise DemoTokenError("SoftHSM is not installed: install the Debian package softhsm2")


def _configure(directory: Path, home: Path) -> Path:
    """Write the configuration file in `directory` for a token that lives in `home`; return its path."""
    if set(str(home)) & set("#=\r\n"):
        raise DemoTokenError(f"SoftHSM's configuration cannot name the directory {home}")
    text = f"directories.tokendir = {home / _TOKENS}\nobjectstore.backend = file\nlog.level = ERROR\n"
    path = directory / _CONFIGURATION
    if not path.is_file() or path.read_text() != text:
        fresh = path.with_name(f"{_CONFIGURATION}.{os.getpid()}")
        fresh.write_text(text)
        fresh.replace(path)
    return path


def _serialised(label: str, key: DemoKey, certificate: bytes, chain: Sequence[bytes]) -> dict[str, Any]:
    if x509.load_der_x509_certificate(certificate).public_key() != key.public_key():
        raise ValueError(f"the key {label!r} is not the key of its certificate")
    secret = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {
        "label": label,
        "key": base64.b64encode(secret).decode(),
        "certificate": base64.b64encode(certificate).decode(),
        "chain": [base64.b64encode(issuer).decode() for issuer in chain],
    }


def _import_in_child(module: Path, configuration: Path, order: dict[str, Any]) -> None:
    try:
        child = subprocess.run(
            [sys.executable, "-m", "deploy.demo_token", str(module)],
            input=json.dumps(order),
            text=True,
            capture_output=True,
            check=False,
            timeout=_IMPORT_SECONDS,
            cwd=Path(__file__).resolve().parents[1],
            env={**os.environ, "SOFTHSM2_CONF": str(configuration)},
            umask=0o077,
        )
    except subprocess.TimeoutExpired:
        raise DemoTokenError(f"SoftHSM did not finish within {_IMPORT_SECONDS} s") from None
    if child.returncode != 0:
        reason = child.stderr.strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
        raise DemoTokenError(f"SoftHSM did not take the token: {reason[0]}")


def _initialise_token(module: Path, so_pin: bytes, label: str) -> None:
    """Call C_InitToken, which python-pkcs11 does not offer, on the first free slot."""
    cryptoki = ctypes.CDLL(str(module))
    slot, count = ctypes.c_ulong(), ctypes.c_ulong(1)
    calls: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("C_Initialize", (None,)),
        ("C_GetSlotList", (1, ctypes.byref(slot), ctypes.byref(count))),
        ("C_InitToken", (slot, so_pin, ctypes.c_ulong(len(so_pin)), label.encode().ljust(32))),
        ("C_Finalize", (None,)),
    )
    for name, arguments in calls:
        value = cryptoki[name](*arguments)
        if value != 0:
            raise DemoTokenError(f"{name} returned {value:#x}")


def _import(module: Path, order: dict[str, Any]) -> None:
    _initialise_token(module, order["so_pin"].encode(), order["label"])
    token = pkcs11.lib(str(module)).get_token(token_label=order["label"])
    with token.open(rw=True, so_pin=order["so_pin"]) as session:
        session.init_pin(order["pin"])
    stored: set[bytes] = set()
    with token.open(rw=True, user_pin=order["pin"]) as session:
        for entry in order["entries"]:
            certificate = base64.b64decode(entry["certificate"])
            session.create_object(_key_attributes(base64.b64decode(entry["key"]), entry["label"], certificate))
            session.create_object(_certificate_attributes(certificate, entry["label"]))
            stored.add(certificate)
        for issuer in _issuers(order["entries"]):
            if issuer not in stored:
                stored.add(issuer)
                session.create_object(_certificate_attributes(issuer, None))


def _issuers(entries: Iterable[dict[str, Any]]) -> Iterable[bytes]:
    return (base64.b64decode(issuer) for entry in entries for issuer in entry["chain"])


def _key_attributes(pkcs8: bytes, label: str, certificate: bytes) -> dict[Attribute, Any]:
    key = load_der_private_key(pkcs8, None)
    legacy = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    if isinstance(key, rsa.RSAPrivateKey):
        attributes = decode_rsa_private_key(legacy, capabilities=MechanismFlag.SIGN)
    else:
        attributes = decode_ec_private_key(legacy)
    return attributes | {
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.MODIFIABLE: False,
        Attribute.SIGN: True,
        Attribute.SIGN_RECOVER: False,
        Attribute.DECRYPT: False,
        Attribute.UNWRAP: False,
        Attribute.DERIVE: False,
        Attribute.LABEL: label,
        Attribute.ID: _key_id(certificate),
    }


def _certificate_attributes(der: bytes, label: str | None) -> dict[Attribute, Any]:
    certificate = x509.load_der_x509_certificate(der)
    return {
        Attribute.CLASS: ObjectClass.CERTIFICATE,
        Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: False,
        Attribute.MODIFIABLE: False,
        Attribute.LABEL: label or certificate.subject.rfc4514_string(),
        Attribute.ID: _key_id(der),
        Attribute.SUBJECT: certificate.subject.public_bytes(),
        Attribute.ISSUER: certificate.issuer.public_bytes(),
        Attribute.SERIAL_NUMBER: Integer(certificate.serial_number).dump(),
        Attribute.VALUE: der,
    }


def _key_id(certificate: bytes) -> bytes:
    key = x509.load_der_x509_certificate(certificate).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


if __name__ == "__main__":
    try:
        _import(Path(sys.argv[1]), json.load(sys.stdin))
    except (DemoTokenError, PKCS11Error, ValueError) as failure:
        sys.exit(f"{type(failure).__name__} {failure}")
