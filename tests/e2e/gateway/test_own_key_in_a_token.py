"""The gateway's own authority with its key in a PKCS#11 token, in the web process (FTS-TS-1, ADR 0002)."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_token import create_demo_token
from tests.support.gateway import Gateway
from tests.unit.signing.issuing import Holder, authority, issue
from tests.unit.timestamping.units import TIME_STAMPING
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.records import read_records
from timestamping.request import build_request, parse_request
from timestamping.token import parse_reply

QUERY = {"content-type": "application/timestamp-query"}
PIN = "4711-geheim"
TOKEN, LABEL = "Gateway units", "unit 1"
ASKED = 40


def pem(*holders: Holder) -> bytes:
    return b"".join(holder.certificate.public_bytes(Encoding.PEM) for holder in holders)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unit") / "root.pem"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Gateway]:
    directory = root.parent
    ca = authority("Timestamping CA")
    key = ec.generate_private_key(ec.SECP384R1())
    unit = issue("Gateway unit", ca, key=key, extensions=TIME_STAMPING)
    der = [holder.certificate.public_bytes(Encoding.DER) for holder in (unit, ca)]
    token = create_demo_token(directory / "token", label=TOKEN, pin=PIN, entries=[(LABEL, key, der[0], [der[1]])])
    root.write_bytes(pem(ca))
    (directory / "unit.pem").write_bytes(pem(unit, ca))
    (directory / "pin").write_text(PIN + "\n")
    timestamping = {
        "unit": {
            "certificate": str(directory / "unit.pem"),
            "module": str(token.module),
            "token": TOKEN,
            "label": LABEL,
            "pin_file": str(directory / "pin"),
            "digest": "sha384",
        },
        "policy": "1.3.6.1.4.1.32473.1",
        "records": "records",
        "clock": {"unguarded": True},
    }
    running = Gateway(tmp_path_factory.mktemp("gateway"), timestamping=timestamping)
    running.web.environment.update(token.environment)
    with running:
        yield running


def test_many_at_once_are_signed_in_the_token(gateway: Gateway, root: Path, tmp_path: Path) -> None:
    """The session is the loop's own; requests over DER and JSON at the same time do not disturb it."""
    imprints = [hashlib.sha256(bytes([number])).digest() for number in range(ASKED)]
    queries = [build_request(imprint, DigestAlgorithm.SHA256, nonce=number) for number, imprint in enumerate(imprints)]

    def ask(query: bytes) -> bytes:
        return gateway.account.api.post("/tsa", content=query, headers=QUERY).content

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, queries))
    for query, reply, imprint in zip(queries, replies, imprints, strict=True):
        assert parse_reply(reply, parse_request(query), party="the gateway").imprint == imprint
    (tmp_path / "q").write_bytes(queries[0])
    (tmp_path / "r").write_bytes(replies[0])
    command = ["openssl", "ts", "-verify", "-queryfile", "q", "-in", "r", "-CAfile", str(root)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    granted = [record for record in read_records(gateway.directory / "records") if record["fail_info"] is None]
    assert len(granted) >= ASKED


def test_the_next_process_opens_the_token_anew(gateway: Gateway) -> None:
    gateway.web.kill()
    gateway.web.start()
    query = build_request(bytes(32), DigestAlgorithm.SHA256, nonce=7)
    reply = gateway.account.api.post("/tsa", content=query, headers=QUERY).content
    assert parse_reply(reply, parse_request(query), party="the gateway").imprint == bytes(32)
    assert httpx.get(f"{gateway.url}/health/ready").status_code == 200


def test_the_pin_is_nowhere(gateway: Gateway) -> None:
    for path in gateway.directory.rglob("*"):
        if path.is_file() and os.access(path, os.R_OK):
            assert PIN.encode() not in path.read_bytes(), path


def test_a_wrong_pin_ends_the_start_with_a_reason(gateway: Gateway, root: Path) -> None:
    (root.parent / "pin").write_text("0000\n")
    gateway.web.kill()
    try:
        with pytest.raises(RuntimeError) as caught:
            gateway.web.start()
        told = f"{caught.value}{gateway.web.log.read_text()}"
        assert "UNIT_PIN_REFUSED" in told
        assert "Remedy" in told
        assert "0000" not in told
        assert "Traceback" not in told
    finally:
        (root.parent / "pin").write_text(PIN + "\n")
        gateway.web.start()
