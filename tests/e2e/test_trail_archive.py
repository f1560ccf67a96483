"""The archive as an operator and an auditor use it: written, verified, handed over from (FTS-AUD-1, FTS-AUD-2)."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.unit.trail.archives import days, judged, lasting_unit
from tests.unit.trail.trails import Trail

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def past(tmp_path: Path) -> Trail:
    """Three days, the last of them yesterday, behind a configuration."""
    start = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=3)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    trail = days(Trail(f"sqlite+aiosqlite:///{data / 'fts.sqlite3'}", lasting_unit("A", start), start), 3)
    (tmp_path / "root.pem").write_bytes(trail.unit.ca.certificate.public_bytes(Encoding.PEM))
    key = tmp_path / "master.key"
    key.touch(mode=0o600)
    key.write_text(bytes(range(32)).hex())
    (tmp_path / "gateway.toml").write_text(
        'environment = "TA"\noperator = "Test operator"\npublic_url = "http://127.0.0.1:1"\ndata = "data"\n'
        'master_key = "master.key"\ntrust_anchors = "root.pem"\ntsa_url = "http://127.0.0.1:1/tsa"\n'
    )
    return trail


@pytest.fixture
def fts(past: Trail, tmp_path: Path) -> Command:
    assert past.path.parent == tmp_path / "data"

    def command(*arguments: object, config: bool = True) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "fts.cli", "audit", *map(str, arguments)]
        words += ["--config", str(tmp_path / "gateway.toml")] if config else []
        return subprocess.run(words, capture_output=True, text=True, check=False)

    return command


def test_a_year_of_an_operator(past: Trail, fts: Command, tmp_path: Path) -> None:
    folder, today = tmp_path / "archive", datetime.now(UTC).date()
    made = fts("archive", "--until", today.isoformat(), "--to", folder)
    assert made.returncode == 0, made.stderr
    assert made.stderr.count(": 6 events, 2 checkpoints") == 3, "progress is shown"
    last = made.stdout.split()[-1]
    again = fts("archive", "--until", today.isoformat(), "--to", folder)
    assert (again.returncode, again.stdout.split()[0], again.stdout.split()[-1]) == (0, "0", last), again.stderr
    early = fts("archive", "--until", (today + timedelta(days=1)).isoformat(), "--to", folder)
    assert (early.returncode, "ARCHIVE_NOT_READY" in early.stderr) == (1, True)

    copy = shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "gateway.toml").rename(tmp_path / "elsewhere.toml")
    found = fts("verify-archive", copy, "--last", last, "--trust", tmp_path / "root.pem", "--json", config=False)
    assert found.returncode == 0, found.stderr
    verdict = json.loads(found.stdout)
    assert (verdict["ok"], verdict["files"], verdict["events"], verdict["last_sha512"]) == (True, 3, 18, last)
    assert not verdict["roots_of_the_archive"]
    plain = fts("verify-archive", copy, config=False)
    assert (plain.returncode, plain.stdout.splitlines()[-1], "SHA-256" in plain.stderr) == (0, "OK", True), plain
    assert judged(copy)[0] == 0
    (tmp_path / "elsewhere.toml").rename(tmp_path / "gateway.toml")

    handed = fts("export", "--archive", copy, "--signing", "s1", "--to", tmp_path / "bundle")
    assert handed.returncode == 0, handed.stderr
    script = [sys.executable, "-I", "-S", str(tmp_path / "bundle" / "verify_bundle.py")]
    assert subprocess.run(script, capture_output=True, check=False, cwd="/").returncode == 0

    past.now = datetime.now(UTC)
    past.checkpoint()
    tied = fts("verify", "--archive", copy, "--json")
    assert json.loads(tied.stdout)["ok"], tied
    kinds = [json.loads(line)["kind"] for line in fts("search", "--kind", "trail.archived").stdout.splitlines()]
    assert kinds == ["trail.archived"], "recorded once"


def test_what_was_bent_is_told_and_an_incident(past: Trail, fts: Command, tmp_path: Path) -> None:
    past.tamper("UPDATE event SET kind = 'x' WHERE id = 14")
    folder, today = tmp_path / "archive", datetime.now(UTC).date()
    refused = fts("archive", "--until", today.isoformat(), "--to", folder)
    assert (refused.returncode, "ARCHIVE_UNSOUND" in refused.stderr, "link 14" in refused.stderr) == (1, True, True)
    assert '"link": 14' in fts("search", "--kind", "trail.archive_refused").stdout
    first = min((folder / "trail").glob("*.jsonl"))
    first.write_bytes(first.read_bytes().replace(b"signing.step1", b"signing.stop1", 1))
    found = fts("verify-archive", folder, config=False)
    assert (found.returncode, f"BAD: trail/{first.name}" in found.stdout) == (1, True), found
    tied = fts("verify", "--archive", folder)
    assert (tied.returncode, "ARCHIVE_UNSOUND" in tied.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["archive", "--to", "x"], 2),
        (["archive", "--to", "x", "--until", "2026-01-01", "--year", "2025"], 2),
        (["archive", "--to", "x", "--year", "9000"], 1),
    ],
)
def test_a_command_that_was_given_wrongly(fts: Command, words: list[str], status: int) -> None:
    assert fts(*words).returncode == status


def test_an_archive_that_is_not_there(fts: Command, tmp_path: Path) -> None:
    assert fts("verify-archive", tmp_path / "nothing", config=False).returncode == 2
    assert (
        fts("verify-archive", tmp_path, "--last", "00", "--trust", tmp_path / "root.pem", config=False).returncode == 2
    )
    assert fts("verify-archive", tmp_path, "--trust", tmp_path / "root.pem", config=False).returncode == 1
