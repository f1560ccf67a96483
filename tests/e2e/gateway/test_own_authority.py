"""The gateway's own authority, as it runs: FTS-TS-1, FTS-TS-3, FTS-TS-4."""

import base64
import hashlib
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fts.tsa.material import Material, demo_unit
from tests.support.gateway import PLENTY, Gateway
from timestamping.authority.records import read_records
from timestamping.clock import utc_now
from timestamping.token import parse_token

QUERY = {"content-type": "application/timestamp-query"}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return demo_unit(tmp_path_factory.mktemp("unit"), "p256", utc_now)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, material: Material) -> Iterator[Gateway]:
    timestamping: dict[str, Any] = {
        "unit": {"certificate": str(material.certificates), "key_file": str(material.key)},
        "policy": "1.3.6.1.4.1.32473.1",
        "records": "records",
        "clock": {"unguarded": True},
    }
    with Gateway(tmp_path_factory.mktemp("gateway"), timestamping=timestamping) as running:
        yield running


def openssl(material: Material, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["openssl", "ts", "-verify", *arguments, "-CAfile", str(material.root)]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_openssl_over_the_door_of_the_gateway(own: Gateway, material: Material, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"data")
    command = ["openssl", "ts", "-query", "-data", "data", "-sha512", "-cert", "-out", "query.tsq"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    query = (tmp_path / "query.tsq").read_bytes()
    assert httpx.post(f"{own.url}/tsa", content=query, headers=QUERY).status_code == 401
    answer = own.account.api.post("/tsa", content=query, headers=QUERY)
    assert answer.headers["content-type"] == "application/timestamp-reply"
    (tmp_path / "reply.tsr").write_bytes(answer.content)
    done = openssl(material, tmp_path, "-queryfile", "query.tsq", "-in", "reply.tsr")
    assert done.returncode == 0, done.stderr


def test_a_hash_over_json_with_a_nonce(own: Gateway, material: Material, tmp_path: Path) -> None:
    digest = base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    order = {"hash": digest, "hash_algorithm": "sha-256", "nonce": secrets.token_hex(16)}
    answer = own.account.api.post("/v1/timestamps", json=order)
    assert answer.status_code == 201, answer.text
    (tmp_path / "data").write_bytes(b"data")
    (tmp_path / "token.tst").write_bytes(base64.b64decode(answer.json()["token"]))
    done = openssl(material, tmp_path, "-data", "data", "-in", "token.tst", "-token_in")
    assert done.returncode == 0, done.stderr


def test_the_capacity_is_that_of_the_client(own: Gateway) -> None:
    """Case A-8, by both ways into the authority."""
    few = {"per_minute": 6, "burst": 3, "per_day": 1000}
    account = own.register("noisy", capacity={"timestamp": few, "read": PLENTY})
    digest = base64.b64encode(bytes(32)).decode()
    answers = [
        account.api.post("/v1/timestamps", json={"hash": digest, "hash_algorithm": "sha-256"}),
        *(account.api.post("/tsa", content=b"\x30\x00", headers=QUERY) for _ in range(4)),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10


def test_no_token_without_its_record_though_the_process_is_killed(own: Gateway) -> None:
    tokens = []
    for _ in range(3):
        items = [
            {"hash": base64.b64encode(secrets.token_bytes(32)).decode(), "hash_algorithm": "sha-256"} for _ in range(10)
        ]
        answer = own.account.api.post("/v1/timestamps/batch", json={"items": items})
        tokens += [base64.b64decode(result["timestamp"]["token"]) for result in answer.json()["results"]]
        own.web.kill()
        own.web.start()
    recorded = {record["token_sha256"] for record in read_records(own.directory / "records")}
    assert {hashlib.sha256(parse_token(token).der).hexdigest() for token in tokens} <= recorded
    assert httpx.get(f"{own.url}/health/ready").status_code == 200
