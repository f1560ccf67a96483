"""The unit's key in a PKCS#11 token (SoftHSM), its timestamps judged by OpenSSL (FTS-TS-1)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_token import DemoKey, DemoToken, create_demo_token
from tests.conformance.programs import OpenSsl
from tests.contract.tsa.signer import POLICY
from tests.unit.signing.issuing import Holder, authority, issue
from tests.unit.timestamping.units import TIME_STAMPING, status_of
from timestamping.algorithms import DigestAlgorithm

PIN = "746251-geheim"
LABEL = "Timestamping units"
ROOT = Path(__file__).parents[3]
KEYS = ("rsa-3072", "p-256", "p-384")
SECONDS = 60


class Hsm:
    """A token with a key for each kind of unit, and the units' certificates."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ca = authority("Timestamping CA")
        keys: dict[str, DemoKey] = {
            "rsa-3072": rsa.generate_private_key(65537, 3072),
            "p-256": ec.generate_private_key(ec.SECP256R1()),
            "p-384": ec.generate_private_key(ec.SECP384R1()),
        }
        units = {label: issue(f"Unit {label}", ca, key=key, extensions=TIME_STAMPING) for label, key in keys.items()}
        entries = [(label, keys[label], der_of(units[label]), [der_of(ca)]) for label in keys]
        self.token: DemoToken = create_demo_token(directory / "token", label=LABEL, pin=PIN, entries=entries)
        self.root = directory / "root.pem"
        self.root.write_bytes(ca.certificate.public_bytes(Encoding.PEM))
        for label, unit in units.items():
            (directory / f"{label}.pem").write_bytes(unit.certificate.public_bytes(Encoding.PEM))


def der_of(holder: Holder) -> bytes:
    return holder.certificate.public_bytes(Encoding.DER)


class Process:
    """A signer's process under orders."""

    def __init__(self, hsm: Hsm) -> None:
        self._hsm = hsm
        environment = os.environ | dict(hsm.token.environment) | {"PYTHONPATH": str(ROOT)}
        self._log = (hsm.directory / "signer.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("signer.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
        )

    def order(self, do: str, **order: str) -> dict[str, Any]:
        """Have one order carried out."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(order | {"do": do}), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def open(self, label: str, digest: str = "sha256", **other: str) -> dict[str, Any]:
        """Open a key with its own certificate unless told otherwise."""
        usual = {
            "module": str(self._hsm.token.module),
            "token": LABEL,
            "key": label,
            "pin": PIN,
            "certificate": str(self._hsm.directory / f"{label}.pem"),
        }
        return self.order("open", digest=digest, **(usual | other))

    def stamp(self, query: bytes) -> bytes:
        """The authority's reply."""
        return bytes.fromhex(self.order("stamp", query=query.hex())["reply"])

    def said(self) -> str:
        """Its log so far."""
        self._log.seek(0)
        return self._log.read()

    def end(self) -> None:
        """Let it end by itself, and see that it did."""
        self._process.communicate(timeout=SECONDS)
        self._log.close()
        assert self._process.returncode == 0


@pytest.fixture(scope="module")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> Hsm:
    return Hsm(tmp_path_factory.mktemp("hsm"))


@pytest.fixture
def signer(hsm: Hsm) -> Iterator[Process]:
    process = Process(hsm)
    yield process
    process.end()


@pytest.fixture
def openssl(hsm: Hsm, tmp_path: Path) -> OpenSsl:
    return OpenSsl(hsm.root, tmp_path)


@pytest.mark.parametrize("digest", list(DigestAlgorithm), ids=str)
@pytest.mark.parametrize("label", KEYS)
def test_openssl_verifies(signer: Process, openssl: OpenSsl, label: str, digest: DigestAlgorithm) -> None:
    assert signer.open(label, digest.value) == {"code": None}
    for _ in range(20):
        query = openssl.query(digest.digest(b"data"), digest, "-cert", "-tspolicy", POLICY)
        assert openssl.reply_to_query(signer.stamp(query), query) == []


def test_a_lost_session_is_opened_anew(signer: Process, openssl: OpenSsl) -> None:
    signer.open("p-256")
    query = openssl.query(bytes(32), "sha256", "-cert")
    for _ in range(3):
        signer.order("lose")
        assert openssl.reply_to_query(signer.stamp(query), query) == []
    assert "is opened anew" in signer.said()


def test_a_token_that_goes_and_comes_back(signer: Process, openssl: OpenSsl, hsm: Hsm) -> None:
    """systemFailure meanwhile, without a word of the reason; then it goes on by itself."""
    signer.open("p-256")
    query = openssl.query(bytes(32), "sha256", "-cert")
    place = Path(hsm.token.environment["SOFTHSM2_CONF"]).parent / "tokens"
    place.rename(place.with_name("gone"))
    signer.order("lose")
    for _ in range(2):
        reply = signer.stamp(query)
        status, token = status_of(reply)
        assert (status["fail_info"].native, token) == ({"system_failure"}, None)
        assert LABEL.encode() not in reply
    place.with_name("gone").rename(place)
    assert openssl.reply_to_query(signer.stamp(query), query) == []


@pytest.mark.parametrize(
    "other",
    [{"token": "another"}, {"key": "another"}, {"module": "/nonexistent/module.so"}],
    ids=lambda other: next(iter(other)),
)
def test_a_key_that_cannot_be_opened(signer: Process, other: dict[str, str]) -> None:
    answer = signer.open("p-256", **other)
    assert answer["code"] == "UNIT_KEY_UNAVAILABLE"
    assert PIN not in answer["text"]
    assert "000000" not in answer["text"]


def test_a_wrong_pin_is_tried_once(signer: Process) -> None:
    """A token locks after a few wrong ones: neither another query nor a failed session leads to another try."""
    answer = signer.open("p-256", pin="000000")
    assert answer["code"] == "UNIT_PIN_REFUSED"
    assert "000000" not in answer["text"]
    assert "PinIncorrect" in signer.order("sign_with", pin=PIN)["text"], "nothing is tried, also not what would work"


def test_certificate_of_another_key(signer: Process, hsm: Hsm) -> None:
    for label, other in (("p-256", "p-384"), ("rsa-3072", "p-256"), ("p-384", "rsa-3072")):
        answer = signer.open(label, certificate=str(hsm.directory / f"{other}.pem"))
        assert answer["code"] == "UNIT_KEY_MISMATCH"


def test_one_thread_only(signer: Process) -> None:
    signer.open("p-256")
    (said,) = signer.order("thread")["said"]
    assert "another thread" in said
