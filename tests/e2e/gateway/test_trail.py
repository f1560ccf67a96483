"""The trail as an operator and an auditor use it: FTS-AUD-1, FTS-AUD-2, FTS-GDPR-6."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.samples.sound import SOUND
from tests.support.gateway import Gateway

_SECONDS = 30.0


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("office")) as running:
        yield running


@pytest.fixture(scope="module")
def signing(office: Gateway) -> dict[str, Any]:
    """A signing that is completed, downloaded, and in a checkpoint."""
    made = office.account.new_signing(SOUND["one_page"]())
    assert office.browser(made).sign(office.signer)["state"] == "completed"
    office.account.api.get(f"/v1/signings/{made['id']}/content").raise_for_status()
    office.account.api.get(f"/v1/documents/{made['document']}/content").raise_for_status()
    office.sequencer.stop()
    office.sequencer.start()
    return made


def eventually(gateway: Gateway, *arguments: str) -> str:
    """Run a command until it succeeds: the authority answers a moment after the checkpoint."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            return gateway.command(*arguments)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def test_a_transaction_can_be_handed_over(office: Gateway, signing: dict[str, Any], tmp_path: Path) -> None:
    """What happened to a signing, with proof, verified far from the gateway by a script and openssl."""
    folder = tmp_path / "bundle"
    eventually(office, "audit", "export", "--signing", signing["id"], "--to", str(folder))
    script = shutil.copy(folder / "verify_bundle.py", tmp_path / "judge.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), str(folder)], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = json.loads((folder / "events.json").read_text())
    told = {record["header"]["kind"]: record for record in records}
    assert {
        "document.uploaded", "document.ready", "signing.created", "signing.opened", "signing.certificate_given",
        "signing.prepared", "signing.value_accepted", "signing.completed", "signing.downloaded", "document.downloaded",
    } <= set(told)  # fmt: skip
    person = office.account.signing(signing["id"])["signer"]["identification_number"]
    assert told["signing.prepared"]["personal"]["content"]["signer"] == person
    assert told["signing.opened"]["personal"]["content"]["address"] == "127.0.0.1"
    result = office.account.signing(signing["id"])["result"]
    assert told["signing.completed"]["header"]["data"]["sha256"] == result["sha256"]
    assert told["signing.created"]["header"]["reference"], "an identifier that the client got too"
    assert told["document.uploaded"]["header"]["client"] == "town"


def test_the_whole_trail_is_verified(office: Gateway, signing: dict[str, Any], tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(office.command("audit", "checkpoint"))
    found = json.loads(eventually(office, "audit", "verify", "--json", "--checkpoint", str(kept)))
    assert found["ok"], found
    assert found["checkpoints"] >= 1
    assert found["anchored_until"].endswith("Z")
    assert signing["id"] in office.command("audit", "search", "--signing", signing["id"])


def test_a_signer_is_found_by_number(office: Gateway, signing: dict[str, Any]) -> None:
    number = office.account.signing(signing["id"])["signer"]["identification_number"]
    lines = [json.loads(line) for line in office.command("audit", "search", "--signer", number).splitlines()]
    assert {line["signing"] for line in lines} >= {signing["id"]}
    reads = [json.loads(line) for line in office.command("audit", "search", "--kind", "trail.read").splitlines()]
    assert reads, "reading is recorded"
    assert all(number not in json.dumps(line["data"]) for line in reads)


def test_attempts_are_reported(office: Gateway) -> None:
    for _ in range(3):
        assert httpx.get(f"{office.url}/v1/usage", auth=("town", "guess")).status_code == 401
    deadline = time.monotonic() + _SECONDS
    while "wrong secret" not in (said := office.command("incidents", "report", "--client", "town")):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    for field in ("Nature", "Begin", "Last attempt", "Data concerned", "Measures taken", "End", "Structural measures"):
        assert field in said
    assert "127.0.0.1" in said
    assert "0 incidents" in office.command("incidents", "report", "--client", "other-town")


def test_the_register_is_made(office: Gateway, tmp_path: Path) -> None:
    assert "Town of town (town)" in office.command("register")
    office.command("register", "--format", "pdf", "--output", str(tmp_path / "register.pdf"))
    assert (tmp_path / "register.pdf").read_bytes().startswith(b"%PDF-")


def test_the_tokens_in_a_signature_are_named_as_their_authority_names_them(
    office: Gateway, signing: dict[str, Any]
) -> None:
    """FTS-AUD-1: what the authority keeps can be laid beside what we keep."""
    [completed] = [event for event in office.trail(signing["id"]) if event.kind == "signing.completed"]
    signed = office.account.api.get(f"/v1/signings/{signing['id']}/content").content.lower()
    tokens = completed.data["timestamps"]
    assert len({token["serial_number"] for token in tokens}) == 2
    for token in tokens:
        assert token["serial_number"].encode() in signed
        assert token["authority"].startswith("CN=")
    assert [token["at"] for token in tokens] == [completed.data["signed_at"], completed.data["archived_at"]]
