"""The demo token: complete or absent, movable, its keys usable with the PIN only and never readable."""

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from deploy import demo_token
from deploy.demo_token import DemoToken, DemoTokenError, create_demo_token, load_demo_token

ATTRIBUTES = """
import json, sys
import pkcs11
from pkcs11 import Attribute, ObjectClass
token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])
names = "SENSITIVE EXTRACTABLE PRIVATE SIGN DECRYPT UNWRAP DERIVE SIGN_RECOVER".split()
template = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
with token.open() as session:
    hidden = len(list(session.get_objects(template)))
found = []
with token.open(user_pin=sys.stdin.read()) as session:
    for key in list(session.get_objects(template)):
        found.append({name: key[Attribute[name]] for name in names} | {"id": key[Attribute.ID].hex()})
        try:
            key[Attribute.VALUE if key.key_type == pkcs11.KeyType.EC else Attribute.PRIVATE_EXPONENT]
        except pkcs11.exceptions.AttributeSensitive:
            found[-1]["secret"] = "hidden"
print(json.dumps({"without login": hidden, "keys": found}))
"""


def test_keys_sign_only_with_the_pin_and_cannot_be_read(token: DemoToken, pin: str) -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", ATTRIBUTES, str(token.module), "Contract card é"],
        input=pin,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, **token.environment},
    )
    answer = json.loads(outcome.stdout)
    assert answer["without login"] == 0
    assert len(answer["keys"]) == 3
    for key in answer["keys"]:
        assert len(bytes.fromhex(key.pop("id"))) == 32
        assert key.pop("secret") == "hidden"
        allowed = {name for name, value in key.items() if value}
        assert allowed == {"SENSITIVE", "PRIVATE", "SIGN"}


def test_directory_is_private_and_holds_no_pin(home: Path, pin: str) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        if "tokens" in path.parts:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert pin.encode() not in path.read_bytes()


def test_moved_token_is_loaded(home: Path, card_of: Any, run: Any, tmp_path: Path) -> None:
    moved = load_demo_token(Path(shutil.copytree(home, tmp_path / "moved")))
    assert moved.environment["SOFTHSM2_CONF"] == str(tmp_path / "moved" / "softhsm2.conf")
    assert len(run(card_of(moved).certificates())) == 6


def test_secrets_are_no_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pki: Any) -> None:
    commands: list[list[str]] = []
    real = subprocess.run

    def record(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", record)
    key = ec.generate_private_key(ec.SECP256R1())
    entry = pki.entry("one", key)
    token = create_demo_token(tmp_path / "new" / "token", label="t", pin="135790", entries=[entry])
    assert "135790" not in " ".join(commands[0])
    assert commands[0][1:3] == ["-m", "deploy.demo_token"]
    assert Path(token.environment["SOFTHSM2_CONF"]).is_file()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["token"]


def test_failed_import_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pki: Any) -> None:
    entry = pki.entry("one", ec.generate_private_key(ec.SECP256R1()))
    twisted = (*entry[:3], [b"no certificate"])
    with pytest.raises(DemoTokenError, match="ValueError") as failed:
        create_demo_token(tmp_path / "token", label="t", pin="135790", entries=[twisted])
    assert "135790" not in str(failed.value)
    monkeypatch.setattr(demo_token, "_IMPORT_SECONDS", 0.01)
    with pytest.raises(DemoTokenError, match="did not finish"):
        create_demo_token(tmp_path / "token", label="t", pin="135790", entries=[entry])
    assert list(tmp_path.iterdir()) == []


def test_refusals(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path, pki: Any) -> None:
    entry = pki.entry("one", ec.generate_private_key(ec.SECP256R1()))
    stranger = (entry[0], ec.generate_private_key(ec.SECP256R1()), *entry[2:])
    with pytest.raises(ValueError, match="not the key of its certificate"):
        create_demo_token(tmp_path / "token", label="t", pin="135790", entries=[stranger])
    with pytest.raises(ValueError, match="PIN"):
        create_demo_token(tmp_path / "token", label="t", pin="123", entries=[entry])
    with pytest.raises(ValueError, match="32 bytes"):
        create_demo_token(tmp_path / "token", label="é" * 17, pin="135790", entries=[entry])
    with pytest.raises(DemoTokenError, match="exists already"):
        create_demo_token(home, label="t", pin="135790", entries=[entry])
    with pytest.raises(DemoTokenError, match="cannot name the directory"):
        create_demo_token(tmp_path / "to#ken", label="t", pin="135790", entries=[entry])
    with pytest.raises(DemoTokenError, match="no token in"):
        load_demo_token(tmp_path)
    monkeypatch.setattr(demo_token, "_SOFTHSM", (tmp_path / "missing.so",))
    with pytest.raises(DemoTokenError, match="Debian package softhsm2"):
        create_demo_token(tmp_path / "token", label="t", pin="135790", entries=[entry])
    with pytest.raises(DemoTokenError, match="Debian package softhsm2"):
        load_demo_token(home)
    assert list(tmp_path.iterdir()) == []


def test_creation_does_not_touch_the_pkcs11_of_this_process(
    card_of: Any, token: DemoToken, run: Any, tmp_path: Path, pki: Any
) -> None:
    card = card_of(token)
    entry = pki.entry("one", ec.generate_private_key(ec.SECP384R1()))

    async def between() -> list[int]:
        before = len(await card.certificates())
        await asyncio.to_thread(create_demo_token, tmp_path / "token", label="other", pin="135790", entries=[entry])
        return [before, len(await card.certificates())]

    assert run(between()) == [6, 6]
