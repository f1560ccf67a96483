"""The processes as PROD, with a real PKCS#11 token (SoftHSM) that holds the wrapping key: FTS-SEC-3, FTS-ENV-4."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deploy.demo_token import _softhsm as find_softhsm
from tests.e2e.gateway.test_failure_map import code
from tests.samples.sound import SOUND
from tests.support.gateway import Account, Gateway, Process

HOST = "sign.example"
HERE = ["127.0.0.0/8", "::1/128"]


class Production(Gateway):
    """A gateway as PROD: TLS ends before it, the master key is wrapped."""

    def command(self, *arguments: str) -> str:
        if arguments == ("migrate",):
            with pytest.raises(RuntimeError, match="MASTER_KEY_MISSING"):
                super().command(*arguments)
            super().command("master-key", "create")
        return super().command(*arguments)

    def define(self, client_id: str, **more: Any) -> None:
        members = {"networks": HERE, "return_urls": ["https://town.example/return"]}
        super().define(client_id, **{**members, **more})

    def register(self, client_id: str, **more: Any) -> Account:
        account = super().register(client_id, **more)
        account.api.headers["host"] = HOST
        return account


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    if shutil.which("softhsm2-util") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("SoftHSM is missing: apt-get install softhsm2")
        pytest.skip("SoftHSM is missing: apt-get install softhsm2")
    directory = tmp_path_factory.mktemp("production")
    (directory / "tokens").mkdir()
    settings = directory / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\n")
    pin = secrets.token_hex(8)
    (directory / "pin").touch(mode=0o600)
    (directory / "pin").write_text(pin + "\n")
    mail = {"host": "127.0.0.1", "port": 1, "sender": "fts@gateway.example", "operators": ["duty@gateway.example"]}
    token = {"module": str(find_softhsm()), "token": "FTS", "label": "first", "pin_file": "pin"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(settings))
        making = ["softhsm2-util", "--init-token", "--free", "--label", "FTS", "--so-pin", secrets.token_hex(8)]
        subprocess.run([*making, "--pin", pin], check=True, capture_output=True)
        with Production(
            directory,
            environment="PROD",
            public_url=f"https://{HOST}",
            key_store=str(directory / "keys"),
            mail=mail,
            master_key_token=token,
        ) as running:
            yield running


def test_a_document_in_production(production: Production) -> None:
    """From upload to destruction; the store was tried, and nothing says that keys are in files."""
    data = SOUND["one_page"]()
    account = production.account
    uploaded = account.upload(data)
    assert uploaded.status_code in (201, 202), uploaded.text
    path = f"/v1/documents/{uploaded.json()['id']}"
    assert account.api.get(f"{path}/content").content == data
    assert account.api.get(path).headers["strict-transport-security"]
    assert account.api.delete(path).status_code == 204
    assert code(account.api.get(path)) == "DOCUMENT_NOT_FOUND"
    for process in (production.web, production.worker, production.sequencer):
        told = process.log.read_text()
        assert "PLAIN FILE" not in told
        assert "keys are in files" not in told


def test_an_account_is_good_from_its_network_only(production: Production) -> None:
    """FTS-ENV-4, over a real socket."""
    elsewhere = production.register("elsewhere", networks=["192.0.2.0/24"])
    assert code(elsewhere.api.get("/v1/usage")) == "NETWORK_REFUSED"
    spoofed = elsewhere.api.get("/v1/usage", headers={"x-forwarded-for": "192.0.2.7"})
    assert code(spoofed) == "NETWORK_REFUSED"
    production.account.api.get("/v1/usage").raise_for_status()
    assert code(httpx.get(f"{production.url}/v1/usage", headers={"host": HOST})) == "CREDENTIALS_REQUIRED"


@pytest.mark.parametrize("role", ["web", "worker"])
@pytest.mark.parametrize("fault", ["pin", "token", "label"])
def test_without_its_token_no_process_starts(production: Production, role: str, fault: str) -> None:
    """Two lines say why; no traceback, and not the PIN."""
    config = production.directory / f"{role}-{fault}.toml"
    text = production.config.read_text()
    (production.directory / "wrong").touch(mode=0o600)
    (production.directory / "wrong").write_text("not-the-pin\n")
    changes = {
        "pin": ('pin_file = "pin"', 'pin_file = "wrong"'),
        "token": ('token = "FTS"', 'token = "NONE"'),
        "label": ('label = "first"', 'label = "other"'),
    }
    assert changes[fault][0] in text
    config.write_text(text.replace(*changes[fault]))
    port = ["--port", "0"] if role == "web" else []
    command = [sys.executable, "-m", "fts.cli", role, "--config", str(config), *port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "MASTER_KEY_REFUSED" in done.stderr
    assert "Traceback" not in done.stderr
    assert "not-the-pin" not in done.stderr
    assert "ready" not in done.stdout


def test_the_wrapping_key_changes_while_the_processes_run(production: Production) -> None:
    """FTS-SEC-3: old documents stay readable, before the restart, after it, and when the old form is gone."""
    data = SOUND["one_page"]()
    account = production.account
    path = f"/v1/documents/{account.upload(data).json()['id']}/content"
    after = production.directory / "next.toml"
    after.write_text(production.config.read_text().replace('label = "first"', 'label = "second"'))
    production.command("master-key", "rewrap", "--to", str(after))
    restarted(production.web)
    assert account.api.get(path).content == data, "under the old configuration"
    production.config.write_text(after.read_text())
    restarted(production.web)
    restarted(production.worker)
    assert account.api.get(path).content == data, "under the new one"
    production.command("master-key", "confirm")
    restarted(production.web)
    assert account.api.get(path).content == data
    assert not list(production.directory.glob("*.previous"))


def restarted(process: Process) -> None:
    process.stop()
    process.start()
