"""Timestamps of the gateway as it runs, from an authority elsewhere: FTS-TS-3, FTS-TS-5, FTS-AUD-1."""

import base64
import hashlib
import secrets
import subprocess
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.demo_pki.faults import Fault
from tests.conformance.raw_pdf import raw_signatures
from tests.e2e.gateway.test_failure_map import code
from tests.oracles.oracle import Oracle
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


def stamped(gateway: Gateway, document_id: str, form: str, **headers: str) -> httpx.Response:
    return gateway.account.api.post(f"/v1/documents/{document_id}/timestamps", json={"form": form}, headers=headers)


def content(gateway: Gateway, view: dict[str, Any]) -> httpx.Response:
    return gateway.account.api.get(f"/v1/documents/{view['document']}/timestamps/{view['id']}/content")


def uploaded(gateway: Gateway, data: bytes, name: str = "contract.pdf") -> str:
    answer = gateway.account.upload(data, name=name)
    assert answer.status_code == 201, answer.text
    document_id: str = answer.json()["id"]
    return document_id


def openssl(gateway: Gateway, directory: Path, data: bytes, token: bytes) -> subprocess.CompletedProcess[str]:
    (directory / "data").write_bytes(data)
    (directory / "token.tst").write_bytes(token)
    command = ["openssl", "ts", "-verify", "-data", "data", "-in", "token.tst", "-token_in"]
    command += ["-CAfile", str(gateway.directory / "root.pem")]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_a_document_timestamp_in_the_pdf(gateway: Gateway, pdf: bytes, oracle: Oracle, tmp_path: Path) -> None:
    """FTS-TS-2: DSS, qpdf and OpenSSL judge it; the uploaded octets stand at its beginning."""
    view = stamped(gateway, uploaded(gateway, pdf), "pdf").json()
    assert (view["state"], view["document_sha256"]) == ("ready", hashlib.sha256(pdf).hexdigest())
    answer = content(gateway, view)
    assert answer.headers["content-type"] == "application/pdf"
    assert "contract-timestamped.pdf" in answer.headers["content-disposition"]
    result = answer.content
    assert result.startswith(pdf)
    assert hashlib.sha256(result).hexdigest() == view["sha256"]
    path = tmp_path / "stamped.pdf"
    path.write_bytes(result)
    assert subprocess.run(["qpdf", "--check", path], capture_output=True, check=False).returncode == 0
    judged = oracle.validate(path, [gateway.directory / "root.pem"])
    (timestamp,) = judged.timestamps
    assert (timestamp.indication, timestamp.type) == ("PASSED", "DOCUMENT_TIMESTAMP")
    (field,) = raw_signatures(result)
    done = openssl(gateway, tmp_path, field.covered, field.cms)
    assert done.returncode == 0, done.stderr
    assert openssl(gateway, tmp_path, field.covered + b" ", field.cms).returncode != 0


def test_a_signed_document_gets_a_timestamp_and_its_signature_stays(gateway: Gateway, pdf: bytes) -> None:
    signing = gateway.account.new_signing(pdf, profile="PADES_B")
    assert gateway.browser(signing).sign(gateway.signer)["state"] == "completed"
    signed = gateway.account.api.get(f"/v1/signings/{signing['id']}/content").content
    view = stamped(gateway, uploaded(gateway, signed), "pdf").json()
    result = content(gateway, view).content
    assert result.startswith(signed)
    assert len(raw_signatures(result)) == 2


def test_a_container(gateway: Gateway, pdf: bytes, tmp_path: Path) -> None:
    """EN 319 162-1, clause 4.3: `mimetype` first and stored, the file, META-INF/timestamp.tst; read by another ZIP."""
    view = stamped(gateway, uploaded(gateway, pdf, "Überweisung 1.pdf"), "asic-s").json()
    answer = content(gateway, view)
    assert answer.headers["content-type"] == "application/vnd.etsi.asic-s+zip"
    assert answer.content[30:69] == b"mimetypeapplication/vnd.etsi.asic-s+zip"
    path = tmp_path / "file.asics"
    path.write_bytes(answer.content)
    listed = subprocess.run(["unzip", "-Z1", path], capture_output=True, text=True, check=False).stdout.splitlines()
    assert (listed[0], listed[2], len(listed)) == ("mimetype", "META-INF/timestamp.tst", 3)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[1] == "Überweisung 1.pdf"
        assert archive.read("Überweisung 1.pdf") == pdf
        done = openssl(gateway, tmp_path, pdf, archive.read("META-INF/timestamp.tst"))
    assert done.returncode == 0, done.stderr


def test_a_token_beside_the_document(gateway: Gateway, pdf: bytes, tmp_path: Path) -> None:
    view = stamped(gateway, uploaded(gateway, pdf), "detached").json()
    answer = content(gateway, view)
    assert answer.headers["content-type"] == "application/vnd.etsi.timestamp-token"
    assert openssl(gateway, tmp_path, pdf, answer.content).returncode == 0
    assert openssl(gateway, tmp_path, pdf + b" ", answer.content).returncode != 0


def test_it_ends_with_its_document(gateway: Gateway, pdf: bytes) -> None:
    """FTS-GDPR-1: key and objects go; FTS-AUD-1: the trail has order, making, download and the end."""
    document_id = uploaded(gateway, pdf)
    view = stamped(gateway, document_id, "detached").json()
    content(gateway, view).raise_for_status()
    folder = gateway.directory / "data" / "objects"
    before = sum(path.is_file() for path in folder.rglob("*"))
    assert gateway.account.api.delete(f"/v1/documents/{document_id}").status_code == 204
    after = sum(path.is_file() for path in folder.rglob("*"))
    assert before - after >= 2
    assert code(gateway.account.api.get(f"/v1/documents/{document_id}/timestamps/{view['id']}")) == "DOCUMENT_NOT_FOUND"
    kinds = [event.kind for event in gateway.document_trail(document_id)]
    wanted = ["timestamp.ordered", "timestamp.made", "timestamp.downloaded", "document.destroyed"]
    assert [kind for kind in kinds if kind in wanted] == wanted


def test_the_authority_is_down_for_a_moment(gateway: Gateway, pdf: bytes) -> None:
    """FTS-TS-5: it is tried again within the budget."""
    document_id = uploaded(gateway, pdf)
    with ThreadPoolExecutor(1) as pool:
        with gateway.fault("/tsa", Fault("down")):
            asked = pool.submit(stamped, gateway, document_id, "pdf")
            time.sleep(0.5)
        assert asked.result().json()["state"] == "ready"


@pytest.mark.parametrize(("fault", "expected"), [("down", "TIMESTAMP_UNAVAILABLE"), ("garbage", "TIMESTAMP_")])
def test_the_authority_is_down(gateway: Gateway, pdf: bytes, fault: Any, expected: str) -> None:
    """Whoever failed is named, nothing is delivered, and the trail says so."""
    document_id = uploaded(gateway, pdf)
    with gateway.fault("/tsa", Fault(fault)):
        answer = stamped(gateway, document_id, "detached")
    assert answer.status_code in (502, 504), answer.text
    assert code(answer).startswith(expected)
    assert answer.json()["party"]
    kinds = [event.kind for event in gateway.document_trail(document_id)]
    assert kinds[-2:] == ["timestamp.ordered", "timestamp.failed"]


def test_the_same_key_gets_the_same_timestamp(gateway: Gateway, pdf: bytes) -> None:
    document_id = uploaded(gateway, pdf)
    key = {"idempotency-key": secrets.token_hex(8)}
    first, second = (stamped(gateway, document_id, "detached", **key).json() for _ in range(2))
    assert first == second
    other = stamped(gateway, document_id, "asic-s", **key)
    assert (other.status_code, code(other)) == (409, "IDEMPOTENCY_MISMATCH")


def test_others_see_nothing(gateway: Gateway, pdf: bytes) -> None:
    view = stamped(gateway, uploaded(gateway, pdf), "detached").json()
    other = gateway.register(f"village-{secrets.token_hex(4)}")
    path = f"/v1/documents/{view['document']}/timestamps"
    assert code(other.api.get(f"{path}/{view['id']}")) == "DOCUMENT_NOT_FOUND"
    assert code(other.api.post(path, json={"form": "pdf"})) == "DOCUMENT_NOT_FOUND"
    second = uploaded(gateway, pdf)
    crossed = gateway.account.api.get(f"/v1/documents/{second}/timestamps/{view['id']}")
    assert code(crossed) == "TIMESTAMP_NOT_FOUND"
