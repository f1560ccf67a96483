"""`fts timestamp records`: an operator walks an authority's records (FTS-TS-2, FTS-AUD-2)."""

import json
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.authority import REPOSITORY, RunningAuthority
from timestamping.algorithms import DigestAlgorithm
from timestamping.request import build_request


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of three tokens and a refusal."""
    directory = tmp_path_factory.mktemp("records")
    with RunningAuthority("--demo", "--directory", directory / "demo", log=directory / "log") as authority:
        for _ in range(3):
            authority.post(build_request(secrets.token_bytes(32), DigestAlgorithm.SHA256, nonce=1))
        authority.post(b"no query")
    return directory / "demo" / "records"


def walk(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fts.cli", "timestamp", "records", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)


def test_what_was_decided_is_counted(records: Path) -> None:
    told = walk(records)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("4 decisions, chained: 3 granted, 1 badDataFormat\nfrom 20")
    found = json.loads(walk(records, "--json").stdout)
    assert (found["decisions"], found["granted"], found["refused"]) == (4, 3, {"badDataFormat": 1})
    assert found["first"] < found["last"]
    assert found["last"].endswith("Z")


def test_a_changed_record_is_named(records: Path, tmp_path: Path) -> None:
    (path,) = records.glob("*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace('"fail_info":null', '"fail_info":"badAlg"')
    (tmp_path / path.name).write_text("".join(lines))
    told = walk(tmp_path)
    assert told.returncode == 1
    assert f"TSA_RECORDS_DAMAGED: {tmp_path / path.name}, line 4: does not follow" in told.stderr
    assert "Remedy: " in told.stderr


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    told = walk(tmp_path / "none")
    assert told.returncode == 2
    assert "RECORDS_UNREADABLE" in told.stderr
    assert "Traceback" not in told.stderr


def test_an_empty_directory_has_no_decisions(tmp_path: Path) -> None:
    assert walk(tmp_path).stdout == "0 decisions, chained: 0 granted\n"
