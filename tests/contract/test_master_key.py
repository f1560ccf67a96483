"""The master key in a PKCS#11 token (FTS-SEC-3), over a real SoftHSM; each step is a process of its own."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.demo_token import _softhsm as find_softhsm
from fts.configuration import load
from fts.exits import REFUSED
from fts.master_key import create, keyring_of

TABLE = """
[master_key_token]
module = "{module}"
token = "FTS"
label = "{label}"
pin_file = "pin"
"""
PLAIN = """
environment = "TA"
operator = "Operator"
public_url = "https://sign.example"
data = "data"
master_key = "{file}"
trust_anchors = "root.pem"
tsa_url = "https://tsa.example/"
"""
READ = (
    "import sys; from pathlib import Path; from fts.configuration import load; from fts.master_key import keyring_of;"
    "print(keyring_of(load(Path(sys.argv[1]))).mac('signer', 'x').hex())"
)


@dataclass
class Ceremony:
    """A directory with a token and configurations."""

    directory: Path

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.directory / "softhsm2.conf"), "COLUMNS": "400"}
        return subprocess.run(
            [str(part) for part in command], env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def configured(self, *, label: str = "master", file: str = "master.key", module: Path | None = None) -> Path:
        path = self.directory / f"{secrets.token_hex(4)}.toml"
        table = TABLE.format(module=module or find_softhsm(), label=label)
        path.write_text(PLAIN.format(file=file) + table)
        return path

    def fts(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "fts.cli", "master-key", *arguments)

    def created(self, **changes: str) -> Path:
        path = self.configured(**changes)  # type: ignore[arg-type]
        done = self.fts("create", "--config", path)
        assert done.returncode == 0, done.stderr
        return path

    def mac(self, path: Path) -> str:
        """What the key makes of a message, read in a new process."""
        done = self.run(sys.executable, "-c", READ, path)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def refusal(self, path: Path) -> str:
        done = self.fts("check", "--config", path)
        assert done.returncode == REFUSED, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def ceremony(tmp_path: Path) -> Ceremony:
    if shutil.which("softhsm2-util") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("SoftHSM is missing: apt-get install softhsm2")
        pytest.skip("SoftHSM is missing: apt-get install softhsm2")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\n")
    pin = secrets.token_hex(8)
    (tmp_path / "pin").touch(mode=0o600)
    (tmp_path / "pin").write_text(pin + "\n")
    scene = Ceremony(tmp_path)
    made = scene.run(
        *("softhsm2-util", "--init-token", "--free", "--label", "FTS", "--so-pin", secrets.token_hex(8), "--pin", pin)
    )
    assert made.returncode == 0, made.stderr
    return scene


def test_it_is_wrapped_and_comes_back(ceremony: Ceremony) -> None:
    path = ceremony.created()
    file = ceremony.directory / "master.key"
    assert file.stat().st_mode & 0o777 == 0o600
    kept = json.loads(file.read_text())
    assert len(bytes.fromhex(kept["wrapped"])) == 32 + 16
    assert ceremony.mac(path) == ceremony.mac(path)
    assert ceremony.fts("check", "--config", path).returncode == 0
    other = ceremony.created(file="other.key")
    assert ceremony.mac(other) != ceremony.mac(path), "two master keys under one wrapping key"


def test_it_is_never_replaced(ceremony: Ceremony) -> None:
    path = ceremony.created()
    before = (ceremony.directory / "master.key").read_bytes()
    again = ceremony.fts("create", "--config", path)
    assert again.returncode != 0
    assert "is there already" in again.stderr
    assert (ceremony.directory / "master.key").read_bytes() == before


def test_migrate_makes_it_outside_prod(ceremony: Ceremony) -> None:
    path = ceremony.configured()
    done = ceremony.run(sys.executable, "-m", "fts.cli", "migrate", "--config", path)
    assert done.returncode == 0, done.stderr
    assert json.loads((ceremony.directory / "master.key").read_text())["format"] == "fts-master-key-1"
    assert ceremony.fts("check", "--config", path).returncode == 0


@pytest.mark.parametrize("member", ["nonce", "wrapped"])
def test_a_changed_file(ceremony: Ceremony, member: str) -> None:
    path = ceremony.created()
    file = ceremony.directory / "master.key"
    kept = json.loads(file.read_text())
    octets = bytearray.fromhex(kept[member])
    octets[3] ^= 1
    file.write_text(json.dumps(kept | {member: octets.hex()}))
    assert "was changed, or was wrapped by another key" in ceremony.refusal(path)


def test_another_key_of_the_token(ceremony: Ceremony) -> None:
    ceremony.created()
    ceremony.created(label="second", file="second.key")
    assert "was wrapped by another key" in ceremony.refusal(ceremony.configured(label="second"))
    assert "has no key 'third'" in ceremony.refusal(ceremony.configured(label="third"))


def test_a_plain_file_is_no_wrapped_one(ceremony: Ceremony) -> None:
    (ceremony.directory / "master.key").write_text(secrets.token_hex(32) + "\n")
    assert "no wrapped master key" in ceremony.refusal(ceremony.configured())


def test_a_wrong_pin_a_missing_token_and_a_missing_module(ceremony: Ceremony) -> None:
    path = ceremony.created()
    pin = (ceremony.directory / "pin").read_text()
    (ceremony.directory / "pin").write_text("wrong\n")
    told = ceremony.refusal(path)
    assert "'FTS'" in told
    assert "wrong" not in told
    (ceremony.directory / "pin").unlink()
    assert "PIN cannot be read" in ceremony.refusal(path)
    (ceremony.directory / "pin").touch(mode=0o600)
    (ceremony.directory / "pin").write_text(pin)
    assert "cannot be used" in ceremony.refusal(ceremony.configured(module=ceremony.directory / "none.so"))
    shutil.rmtree(ceremony.directory / "tokens")
    (ceremony.directory / "tokens").mkdir()
    assert "'FTS'" in ceremony.refusal(path)


def test_a_pin_that_others_can_read(ceremony: Ceremony) -> None:
    path = ceremony.created()
    (ceremony.directory / "pin").chmod(0o640)
    assert "can be read by others" in ceremony.refusal(path)


def test_a_wrapping_key_of_128_bits(ceremony: Ceremony) -> None:
    script = (
        "import sys, pkcs11; token = pkcs11.lib(sys.argv[1]).get_token(token_label='FTS');"
        "session = token.open(rw=True, user_pin=sys.argv[2]);"
        "session.generate_key(pkcs11.KeyType.AES, 128, label='small', store=True)"
    )
    pin = (ceremony.directory / "pin").read_text().strip()
    made = ceremony.run(sys.executable, "-c", script, str(find_softhsm()), pin)
    assert made.returncode == 0, made.stderr
    path = ceremony.configured(label="small")
    done = ceremony.fts("create", "--config", path)
    assert done.returncode == REFUSED
    assert "is not of 256 bits" in done.stderr
    assert not (ceremony.directory / "master.key").exists()


def test_migrate_without_the_token_is_a_refusal(ceremony: Ceremony) -> None:
    path = ceremony.configured()
    (ceremony.directory / "pin").write_text("wrong\n")
    done = ceremony.run(sys.executable, "-m", "fts.cli", "migrate", "--config", path)
    assert done.returncode == REFUSED
    assert "MASTER_KEY_REFUSED" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (ceremony.directory / "master.key").exists()


def test_a_plain_file_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(PLAIN.format(file="master.key"))
    create(load(path))
    keyring_of(load(path))
    assert "THE MASTER KEY IS A PLAIN FILE" in caplog.text


def test_the_key_does_not_leave_the_token(ceremony: Ceremony) -> None:
    """The token says so itself: the wrapping key is sensitive and not extractable."""
    ceremony.created()
    script = (
        "import sys, pkcs11; from pkcs11 import Attribute, ObjectClass;"
        "token = pkcs11.lib(sys.argv[1]).get_token(token_label='FTS'); session = token.open(user_pin=sys.argv[2]);"
        "key = session.get_key(object_class=ObjectClass.SECRET_KEY, label='master');"
        "print(key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE], key[Attribute.NEVER_EXTRACTABLE])"
    )
    pin = (ceremony.directory / "pin").read_text().strip()
    done = ceremony.run(sys.executable, "-c", script, str(find_softhsm()), pin)
    assert done.stdout.split() == ["True", "False", "True"], done.stderr
