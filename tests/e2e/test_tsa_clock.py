"""`fts tsa` beside time servers that go wrong and right again (FTS-TS-5; T-11)."""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fts.tsa.material import demo_unit as make_unit
from tests.support.authority import REPOSITORY, RunningAuthority
from tests.support.sntp_server import SntpServer
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.records import read_everything, read_records
from timestamping.clock import utc_now
from timestamping.ports import TimestampRejectedError
from timestamping.request import build_request, parse_request
from timestamping.token import parse_reply

SECONDS = 15.0


@pytest.fixture
def servers() -> Iterator[list[SntpServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(SntpServer()) for _ in range(3)]


def answer(authority: RunningAuthority) -> str:
    """Ask for a token; "granted", or why it was refused."""
    query = build_request(secrets.token_bytes(32), DigestAlgorithm.SHA256, nonce=secrets.randbits(63))
    reply = authority.post(query)
    assert reply.status_code == 200
    try:
        parse_reply(reply.content, parse_request(query), party="the authority")
    except TimestampRejectedError as error:
        return str(error)
    return "granted"


def until(authority: RunningAuthority, wanted: str) -> str:
    deadline = time.monotonic() + SECONDS
    while wanted not in (last := answer(authority)):
        assert time.monotonic() < deadline, last
        time.sleep(0.1)
    return last


def test_no_token_from_a_clock_that_deviates(servers: list[SntpServer], tmp_path: Path) -> None:
    material = make_unit(tmp_path / "unit", "p256", utc_now)
    names = ", ".join(f'"127.0.0.1:{server.port}"' for server in servers)
    path = tmp_path / "authority.toml"
    path.write_text(
        f'environment = "TA"\n[timestamping]\npolicy = "1.3.6.1.4.1.32473.1"\nrecords = "records"\n'
        f'[timestamping.unit]\ncertificate = "{material.certificates}"\nkey_file = "{material.key}"\n'
        f"[timestamping.clock]\nsources = [{names}]\nquorum = 2\ninterval_seconds = 1\nkernel = false\n"
        "[timestamping.door]\nopen = true\n"
    )
    with RunningAuthority("--config", path, log=tmp_path / "log") as authority:
        until(authority, "granted")
        servers[0].behave(ahead_seconds=5.0)
        servers[1].behave(ahead_seconds=2.0)
        servers[2].behave(ahead_seconds=2.0)
        refused = until(authority, "timeNotAvailable")
        assert authority.get("/health/ready").status_code == 503
        metrics = authority.get("/metrics").text
        assert 'fts_tsa_clock_state{state="deviating"} 1' in metrics
        servers[2].behave(silent=True)
        until(authority, "timeNotAvailable")
        for server in servers:
            server.behave(ahead_seconds=0.0, silent=False)
        until(authority, "granted")
        assert authority.get("/health/ready").status_code == 200
    assert "timeNotAvailable" in refused
    records = list(read_records(tmp_path / "records"))
    assert {record["fail_info"] for record in records} == {None, "timeNotAvailable"}
    assert all((record["serial_number"] is None) == (record["fail_info"] is not None) for record in records)
    changes = [record for record in read_everything(tmp_path / "records") if "kind" in record]
    assert (changes[0]["before"], changes[0]["state"]) == (None, "good")
    assert changes[-1]["state"] == "good"
    states = [change["state"] for change in changes]
    assert "deviating" in states
    # each names the one before it: none is missing
    assert [change["before"] for change in changes[1:]] == states[:-1]
    command = [sys.executable, "-m", "fts.cli", "timestamp", "records", str(tmp_path / "records")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=REPOSITORY)
    assert told.stdout.count("Z: the clock is deviating (before: good), -2.0") == states.count("deviating")
    log = (tmp_path / "log").read_text()
    assert "the clock is deviating (before: good)" in log
    assert "the clock is good (before: " in log
