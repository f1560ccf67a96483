"""A SoftHSM token with a small PKI, and the card over it. Every test has a time limit."""

import asyncio
import base64
import faulthandler
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deploy.demo_token import DemoKey, DemoToken, create_demo_token
from signing.eid.pkcs11 import Pkcs11Card
from signing.eid.ports import CardCertificate

T = TypeVar("T")

PIN = "918273-é"
LABEL = "Contract card é"

STORE = """
import base64, json, sys
import pkcs11
from pkcs11 import Attribute, CertificateType, ObjectClass
from pkcs11.util.ec import decode_ec_private_key
order = json.load(sys.stdin)
token = pkcs11.lib(order["module"]).get_token(token_label=order["label"])
with token.open(rw=True, user_pin=order["pin"]) as session:
    common = {Attribute.TOKEN: True, Attribute.ID: b"stored by the test", Attribute.LABEL: order["object"]}
    session.create_object(common | {
        Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
        Attribute.PRIVATE: False, Attribute.SUBJECT: b"", Attribute.VALUE: base64.b64decode(order["certificate"])})
    if order["key"]:
        session.create_object(decode_ec_private_key(base64.b64decode(order["key"])) | common | {
            Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False,
            Attribute.SIGN: True, Attribute.ALWAYS_AUTHENTICATE: order["always_authenticate"]})
"""
"""Adds a certificate, and maybe an EC key, to a token; run in a process of its own."""


@dataclass(frozen=True)
class Issuer:
    name: str
    key: ec.EllipticCurvePrivateKey
    der: bytes


def issue(subject: str, key: Any, issuer: Issuer | None, *, ca: bool) -> bytes:
    """Return a DER certificate of `subject`; self-signed without an issuer."""
    now = datetime.now(UTC)
    signer = issuer.key if issuer else key
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer.name if issuer else subject)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


@dataclass(frozen=True)
class Pki:
    """Root, issuing CA and an impostor: a CA of the issuing CA's name with another key."""

    root: Issuer
    issuing: Issuer
    impostor: Issuer

    def entry(self, label: str, key: DemoKey, issuer: Issuer | None = None) -> tuple[str, DemoKey, bytes, list[bytes]]:
        leaf = issue(f"SPECIMEN {label}", key, issuer or self.issuing, ca=False)
        return (label, key, leaf, [self.impostor.der, self.root.der, self.issuing.der])


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    """End the whole run when a call into C hangs: Python cannot interrupt it."""
    faulthandler.dump_traceback_later(120, exit=True, file=sys.__stderr__ or sys.stderr)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="session")
def run() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Run a coroutine with a time limit of 30 s."""
    return lambda work: asyncio.run(asyncio.wait_for(work, 30))


@pytest.fixture(scope="session")
def pki() -> Pki:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    root = Issuer("TEST root", keys[0], issue("TEST root", keys[0], None, ca=True))
    issuing = Issuer("TEST issuing", keys[1], issue("TEST issuing", keys[1], root, ca=True))
    impostor = Issuer("TEST issuing", keys[2], issue("TEST issuing", keys[2], None, ca=True))
    return Pki(root, issuing, impostor)


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> DemoToken:
    """One token with an RSA-3072, a P-256 and a P-384 key; the impostor issued the last one's certificate."""
    keys: dict[str, DemoKey] = {
        "rsa": rsa.generate_private_key(65537, 3072),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
    }
    directory = tmp_path_factory.mktemp("eid") / "token"
    issuers = {"rsa": pki.issuing, "p256": pki.issuing, "p384": pki.impostor}
    entries = [pki.entry(label, key, issuers[label]) for label, key in keys.items()]
    return create_demo_token(directory, label=LABEL, pin=PIN, entries=entries)


@pytest.fixture
def home(token: DemoToken) -> Path:
    """The directory of `token`."""
    return Path(token.environment["SOFTHSM2_CONF"]).parent


@pytest.fixture
def store(token: DemoToken) -> Callable[..., None]:
    """Add a certificate, and an EC key if one is given, to a copy of the token."""

    def add(
        place: DemoToken, certificate: bytes, key: Any = None, *, label: str, always_authenticate: bool = False
    ) -> None:
        secret = key and key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        order = {
            "module": str(token.module),
            "label": LABEL,
            "pin": PIN,
            "object": label,
            "certificate": base64.b64encode(certificate).decode(),
            "key": base64.b64encode(secret).decode() if secret else None,
            "always_authenticate": always_authenticate,
        }
        subprocess.run(
            [sys.executable, "-c", STORE],
            input=json.dumps(order),
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, **place.environment},
        )

    return add


@pytest.fixture
def card_of(
    monkeypatch: pytest.MonkeyPatch, run: Callable[[Coroutine[Any, Any, T]], T]
) -> Iterator[Callable[[DemoToken], Pkcs11Card]]:
    """Make the card over a token; it is closed at the end, so that the next one reads its own configuration."""
    cards = []

    def make(place: DemoToken, **options: Any) -> Pkcs11Card:
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
        cards.append(Pkcs11Card(place.module, **options))
        return cards[-1]

    yield make
    for card in cards:
        run(card.close())  # type: ignore[arg-type]


@pytest.fixture
def card(card_of: Callable[[DemoToken], Pkcs11Card], token: DemoToken) -> Pkcs11Card:
    return card_of(token)


@pytest.fixture
def certificate(card: Pkcs11Card, run: Callable[..., Any]) -> Callable[[str], CardCertificate]:
    """Find a certificate on the card by its label."""
    return lambda label: next(c for c in run(card.certificates()) if c.label == label)


@pytest.fixture
def pin() -> str:
    return PIN


class CountingPrompt:
    """A signer who answers with the given PINs in turn, the last one for ever; keeps what was asked."""

    def __init__(self, *answers: str | None) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, text: str) -> str | None:
        self.asked.append(text)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def prompt() -> type[CountingPrompt]:
    return CountingPrompt
