"""Another wrapping key takes over the master key (FTS-SEC-3), over a real SoftHSM; each step is a process."""

import json
import secrets
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pkcs11
import pytest

from deploy.demo_token import _softhsm as find_softhsm
from fts.configuration import load
from fts.db.migrate import migrate
from fts.master_key import create
from tests.contract.rewrapping import DEAD, confirm, dying, mac, master, rewrap, stepped
from tests.contract.test_master_key import Ceremony, ceremony

__all__ = ["ceremony"]


def made(config: Path) -> None:
    create(load(config))


def destroyed(pin: str, label: str) -> None:
    with pkcs11.lib(str(find_softhsm())).get_token(token_label="FTS").open(rw=True, user_pin=pin) as session:
        session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=label).destroy()


def scene(ceremony: Ceremony) -> tuple[Path, Path]:
    """Return the configuration in force and the one to come, with a migrated database."""
    before, after = ceremony.configured(label="one"), ceremony.configured(label="two")
    (ceremony.directory / "data").mkdir()
    migrate(load(before).database_url())
    assert stepped(ceremony.directory, made, before) is None
    return before, after


def events(ceremony: Ceremony) -> list[tuple[str, dict[str, str]]]:
    with closing(sqlite3.connect(ceremony.directory / "data" / "fts.sqlite3")) as database:
        found = database.execute("SELECT kind, data FROM event WHERE kind LIKE 'master_key.%' ORDER BY id").fetchall()
    return [(kind, json.loads(data)) for kind, data in found]


def files(ceremony: Ceremony) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in ceremony.directory.glob("master.key*")}


def test_the_new_key_takes_over_and_the_old_one_stays_until_it_is_confirmed(ceremony: Ceremony) -> None:
    before, after = scene(ceremony)
    there = ceremony.directory
    value, octets = stepped(there, mac, before), stepped(there, master, before)
    [old] = files(ceremony).values()
    done = ceremony.fts("rewrap", "--config", before, "--to", after)
    assert done.returncode == 0, done.stderr
    kept = files(ceremony)
    assert set(kept) == {"master.key", "master.key.previous"}
    assert kept["master.key.previous"] == old
    assert all((there / name).stat().st_mode & 0o777 == 0o600 for name in kept)
    assert stepped(there, mac, after) == value, "the same keys follow from it"
    assert stepped(there, mac, before) == value, "a process that restarts under the old configuration still starts"
    assert "confirm the change before" in stepped(there, rewrap, after, ceremony.configured(label="three"))

    done = ceremony.fts("confirm", "--config", after)
    assert done.returncode == 0, done.stderr
    assert set(files(ceremony)) == {"master.key"}
    assert stepped(there, mac, after) == value
    assert "was wrapped by another key" in stepped(there, mac, before)
    assert "nothing to confirm" in stepped(there, confirm, after)
    keys = {"from_key": "FTS/one", "to_key": "FTS/two"}
    assert events(ceremony) == [
        ("master_key.rewrap_begun", keys),
        ("master_key.rewrapped", keys),
        ("master_key.rewrap_confirmed", {"key": "FTS/two"}),
    ]
    assert len(octets) == 32
    for path in there.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert octets not in content, path
            assert octets.hex().encode() not in content, path


def test_the_old_key_may_be_deleted_in_its_token_afterwards(ceremony: Ceremony) -> None:
    before, after = scene(ceremony)
    there = ceremony.directory
    value = stepped(there, mac, before)
    stepped(there, rewrap, before, after)
    stepped(there, confirm, after)
    assert stepped(there, destroyed, (there / "pin").read_text().strip(), "one") is None
    assert stepped(there, mac, after) == value
    assert "has no key 'one'" in stepped(there, mac, before)


def test_another_token_takes_over(ceremony: Ceremony) -> None:
    """A new device: its token has another label, its key the same one."""
    before, _ = scene(ceremony)
    there = ceremony.directory
    value, pin = stepped(there, mac, before), (there / "pin").read_text().strip()
    initialised = ceremony.run(
        *("softhsm2-util", "--init-token", "--free", "--label", "NEW", "--so-pin", secrets.token_hex(8), "--pin", pin)
    )
    assert initialised.returncode == 0, initialised.stderr
    after = there / "after.toml"
    after.write_text(before.read_text().replace('token = "FTS"', 'token = "NEW"'))
    assert stepped(there, rewrap, before, after) is None
    assert stepped(there, mac, before) == stepped(there, mac, after) == value
    assert stepped(there, confirm, after) is None
    assert stepped(there, mac, after) == value


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("record", "before"),
        ("wrapped", "before"),
        ("wrapped", "after"),
        ("hardlink_to", "before"),
        ("hardlink_to", "after"),
        ("replace", "before"),
        ("replace", "after"),
    ],
)
def test_wherever_it_dies_one_form_opens_and_it_may_be_repeated(ceremony: Ceremony, name: str, moment: str) -> None:
    before, after = scene(ceremony)
    there = ceremony.directory
    value = stepped(there, mac, before)
    assert stepped(there, dying, before, after, name, moment) == DEAD
    assert stepped(there, mac, before) == value
    if (name, moment) == ("replace", "after"):
        assert stepped(there, mac, after) == value
    else:
        for config in (before, after):
            assert stepped(there, confirm, config).startswith("refused")
        assert stepped(there, rewrap, before, after) is None
    assert stepped(there, mac, before) == stepped(there, mac, after) == value
    assert stepped(there, confirm, after) is None
    assert stepped(there, mac, after) == value
    assert set(files(ceremony)) == {"master.key"}


def test_what_cannot_be_changes_nothing(ceremony: Ceremony) -> None:
    before, after = scene(ceremony)
    there, kept = ceremony.directory, files(ceremony)
    plain = there / "plain.toml"
    plain.write_text(before.read_text().partition("[master_key_token]")[0])
    refusals = [
        (before, before, "another label"),
        (before, ceremony.configured(label="two", file="elsewhere.key"), "the same file"),
        (before, ceremony.configured(label="two", module=there / "none.so"), "cannot be used"),
        (ceremony.configured(label="other"), after, "has no key 'other'"),
        (before, plain, "need a master_key_token"),
        (plain, after, "need a master_key_token"),
    ]
    for old, new, why in refusals:
        told = stepped(there, rewrap, old, new)
        assert told.startswith("refused")
        assert why in told
    done = ceremony.run(sys.executable, "-m", "fts.cli", "master-key", "rewrap", "--config", before, "--to", before)
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "MASTER_KEY_REFUSED")
    assert files(ceremony) == kept
    assert [kind for kind, _ in events(ceremony)] == ["master_key.rewrap_begun"], "that of the token which failed"
