"""Timestamps of the gateway as it runs, from an authority elsewhere: FTS-TS-3, FTS-TS-5, FTS-AUD-1."""

import base64
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway.test_failure_map import code
from tests.support.gateway import Gateway


def order(data: bytes, **more: Any) -> dict[str, Any]:
    return {"hash": base64.b64encode(hashlib.sha256(data).digest()).decode(), "hash_algorithm": "sha-256", **more}


def test_a_hash_becomes_a_token_that_openssl_verifies(gateway: Gateway, tmp_path: Path) -> None:
    answer = gateway.account.api.post("/v1/timestamps", json=order(b"the data stays here"))
    assert answer.status_code == 201, answer.text
    (tmp_path / "data").write_bytes(b"the data stays here")
    (tmp_path / "token.tst").write_bytes(base64.b64decode(answer.json()["token"]))
    command = ["openssl", "ts", "-verify", "-data", "data", "-in", "token.tst", "-token_in"]
    command += ["-CAfile", str(gateway.directory / "root.pem")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("more", [{"nonce": "0a"}, {"policy": "1.2.3"}, {"certificates": False}])
def test_what_only_an_own_authority_offers(gateway: Gateway, more: dict[str, Any]) -> None:
    answer = gateway.account.api.post("/v1/timestamps", json=order(b"x", **more))
    assert (answer.status_code, code(answer)) == (422, "TIMESTAMP_OPTION_REFUSED")


def test_a_batch(gateway: Gateway) -> None:
    items = [order(str(number).encode()) for number in range(20)]
    items[7] = {**items[7], "hash_algorithm": "sha-384"}
    answer = gateway.account.api.post("/v1/timestamps/batch", json={"items": items})
    results = answer.json()["results"]
    assert [result["problem"] and result["problem"]["fail_info"] for result in results] == [
        *[None] * 7,
        "badDataFormat",
        *[None] * 12,
    ]
    assert [r["timestamp"] and r["timestamp"]["hash"] for r in results] == [
        None if number == 7 else item["hash"] for number, item in enumerate(items)
    ]
