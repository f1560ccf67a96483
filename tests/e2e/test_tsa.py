"""`fts tsa` as a program: FTS-TS-1, FTS-TS-4; cases T-1 and A-8 at the door of an authority that stands alone."""

import contextlib
import hashlib
import json
import os
import re
import resource
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.authority import REPOSITORY, RunningAuthority
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.records import read_records
from timestamping.ports import TimestampRejectedError, Token
from timestamping.request import build_request, parse_request
from timestamping.token import parse_reply

SECONDS = 60.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAuthority]:
    directory = tmp_path_factory.mktemp("tsa")
    arguments = ("--demo", "--workers", "2", "--directory", directory / "demo")
    with RunningAuthority(*arguments, log=directory / "log") as running:
        yield running


def directory(authority: RunningAuthority) -> Path:
    return authority.log.parent / "demo"


def query() -> bytes:
    return build_request(secrets.token_bytes(32), DigestAlgorithm.SHA256, nonce=secrets.randbits(63))


def token_of(reply: httpx.Response, asked: bytes) -> Token:
    assert reply.status_code == 200, reply.text
    return parse_reply(reply.content, parse_request(asked), party="the authority")


def shell(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_stranger_follows_the_printed_lines(authority: RunningAuthority, tmp_path: Path) -> None:
    """The three lines that the demo prints, as they stand: a token that OpenSSL verifies."""
    (tmp_path / "README.md").write_bytes((REPOSITORY / "README.md").read_bytes())
    lines = "\n".join(line for line in authority.printed.splitlines() if line.startswith(("openssl ", "curl ")))
    assert len(lines.splitlines()) == 3
    done = shell(lines, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Verification: OK" in done.stdout + done.stderr
    (tmp_path / "README.md").write_text("something else")
    other = shell("openssl ts -verify -data README.md -in reply.tsr -CAfile " + lines.split()[-1], tmp_path)
    assert other.returncode != 0


@pytest.mark.parametrize("document", ["README.md", "docs/operation.md"])
def test_the_documented_walk(tmp_path: Path, document: str) -> None:
    """The lines of a document, as they stand but for the port and the directory."""
    text = (REPOSITORY / document).read_text()
    start, walk = re.findall(r"```bash tsa\n(.*?)```", text, re.DOTALL)
    assert "fts tsa --demo" in start
    arguments = [word for word in start.split()[2:] if word not in ("--port", "8318")]
    with RunningAuthority(*arguments, "--directory", tmp_path / "demo", log=tmp_path / "log") as running:
        lines = walk.replace("http://127.0.0.1:8318/tsa", running.url).replace("var/tsa-p256", str(tmp_path / "demo"))
        (tmp_path / "README.md").write_text("any file")
        done = shell(lines, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Verification: OK" in done.stdout + done.stderr


def test_a_worker_is_killed_and_the_service_goes_on(authority: RunningAuthority) -> None:
    """Two workers, one killed under load: who asks anew is served, another comes, and no token lacks its record."""
    tokens: list[Token] = []

    def ask() -> bool:
        asked = query()
        try:
            tokens.append(token_of(authority.post(asked), asked))
        except httpx.TransportError:
            return False
        return True

    assert all(ask() for _ in range(30))
    before = authority.workers()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    served = [ask() for _ in range(60)]
    assert served.count(True) >= 55  # those whose connection the killed worker held may be lost, no more
    deadline = time.monotonic() + 10
    while len(now := authority.workers()) != 2 or before[0] in now:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert before[1] in now
    assert all(ask() for _ in range(30))
    recorded = {record["token_sha256"]: record for record in read_records(directory(authority) / "records")}
    serials = set()
    for token in tokens:
        record = recorded[hashlib.sha256(token.der).hexdigest()]
        assert int(record["serial_number"], 16) == token.serial_number
        serials.add(token.serial_number)
    assert len(serials) == len(tokens)


def test_figures_and_health(authority: RunningAuthority) -> None:
    assert authority.get("/health/live").status_code == 200
    assert authority.get("/health/ready").json() == {"status": "ready"}
    before = figures(authority)
    asked = query()
    token_of(authority.post(asked), asked)
    authority.post(b"\x30\x00")
    httpx.get(authority.url)
    after = figures(authority)

    def grown(name: str) -> float:
        return after[name] - before[name]

    assert grown('fts_tsa_decisions_total{status="granted",fail_info=""}') == 1
    assert grown('fts_tsa_decisions_total{status="rejection",fail_info="badDataFormat"}') == 1
    assert grown('fts_tsa_http_answers_total{status="405"}') == 1
    assert grown('fts_tsa_answer_seconds_bucket{le="+Inf"}') == grown("fts_tsa_answer_seconds_count") == 3
    assert after['fts_tsa_clock_state{state="good"}'] == 1
    assert 179 < after["fts_tsa_key_days_left"] < 181 < after["fts_tsa_certificate_days_left"] < 366


def figures(authority: RunningAuthority) -> dict[str, float]:
    lines = authority.get("/metrics").text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


@pytest.mark.parametrize("path", ["/", "/tsa"])
def test_both_doors(authority: RunningAuthority, path: str) -> None:
    asked = query()
    token_of(authority.post(asked, path=path), asked)


def test_there_is_nothing_else(authority: RunningAuthority) -> None:
    assert authority.get("/docs").status_code == 404
    assert authority.post(query(), path="/metrics").status_code == 405


def test_the_unit_of_a_demo_stays_the_same(authority: RunningAuthority, tmp_path: Path) -> None:
    """A stranger's tokens verify tomorrow, too: the next start takes the same unit."""
    root = (directory(authority) / "root.pem").read_bytes()
    with RunningAuthority("--demo", "--directory", directory(authority), log=tmp_path / "log"):
        assert (directory(authority) / "root.pem").read_bytes() == root


@pytest.mark.parametrize("key", ["p384", "rsa3072"])
def test_a_key_in_a_token(tmp_path: Path, key: str) -> None:
    """The key in SoftHSM, two workers with a session each (FTS-TS-1)."""
    demo = tmp_path / "demo"
    arguments = ("--demo", "--key", key, "--store", "softhsm", "--workers", "2", "--directory", demo)
    with RunningAuthority(*arguments, log=tmp_path / "log") as running:
        for _ in range(10):
            asked = query()
            reply = running.post(asked)
            token_of(reply, asked)
        (tmp_path / "q").write_bytes(asked)
        (tmp_path / "r").write_bytes(reply.content)
        done = shell(f"openssl ts -verify -queryfile q -in r -CAfile {demo}/root.pem", tmp_path)
        assert done.returncode == 0, done.stderr
    assert len(list(read_records(demo / "records"))) == 10


def configured(tmp_path: Path, demo: Path, **members: Any) -> Path:
    """Write the configuration of an authority with the demo's unit."""
    unit = {"certificate": str(demo / "tsu.pem"), "key_file": str(demo / "tsu.key"), **members.pop("unit", {})}
    unit = {name: value for name, value in unit.items() if value is not None}
    tables = {"unit": unit, "clock": {"unguarded": True}, "door": {"open": True}, **members.pop("tables", {})}
    plain = {"policy": "1.3.6.1.4.1.32473.1", "records": str(tmp_path / "records"), **members}
    environment = plain.pop("environment", "TA")
    lines = [f"environment = {json.dumps(environment)}", "[timestamping]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
    clients = tables["door"].pop("clients", [])
    for table, values in tables.items():
        lines += [f"[timestamping.{table}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    for client in clients:
        lines += ["[[timestamping.door.clients]]", *(f"{name} = {json.dumps(value)}" for name, value in client.items())]
    path = tmp_path / "authority.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_networks_and_capacity_at_the_door(authority: RunningAuthority, tmp_path: Path) -> None:
    """FTS-TS-4, case A-8: 429 with Retry-After for whoever asks too much, counted over all workers, and no one else."""
    clients = [
        {"id": "noisy", "networks": ["127.0.0.2/32"], "per_minute": 6, "burst": 4},
        {"id": "quiet", "networks": ["127.0.0.3/32"], "per_minute": 6, "burst": 4},
    ]
    file = configured(tmp_path, directory(authority), workers=2, tables={"door": {"clients": clients}})
    with RunningAuthority("--config", file, log=tmp_path / "log") as running:
        answers = [from_address("127.0.0.2", running) for _ in range(40)]
        assert [answer.status_code for answer in answers].count(200) == 4
        refused = [answer for answer in answers if answer.status_code != 200]
        assert {answer.status_code for answer in refused} == {429}
        assert all(1 <= int(answer.headers["retry-after"]) <= 10 for answer in refused)
        assert from_address("127.0.0.3", running).status_code == 200
        assert from_address("127.0.0.4", running).status_code == 403
    records = list(read_records(tmp_path / "records"))
    assert sorted((record["client"], record["address"]) for record in records) == [
        *[("noisy", "127.0.0.2")] * 4,
        ("quiet", "127.0.0.3"),
    ]


def from_address(address: str, running: RunningAuthority) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address)) as client:
        return running.post(query(), client)


def test_no_room_for_records(tmp_path: Path) -> None:
    """FTS-TS-1: systemFailure and no token; health and figures say so, and it is over when there is room again."""
    with RunningAuthority("--demo", "--directory", tmp_path / "demo", log=tmp_path / "log") as running:
        (worker,) = running.workers()
        asked = query()
        token_of(running.post(asked), asked)
        endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
        answers = [running.post(asked) for _ in range(4)]
        with pytest.raises(TimestampRejectedError, match="systemFailure"):
            token_of(answers[-1], asked)
        ready = running.get("/health/ready")
        assert ready.status_code == 503
        assert "cannot be recorded" in ready.text
        assert figures(running)['fts_tsa_decisions_total{status="rejection",fail_info="systemFailure"}'] >= 1
        resource.prlimit(worker, resource.RLIMIT_FSIZE, endless)
        token_of(running.post(asked), asked)
        assert running.get("/health/ready").status_code == 200


def test_sigterm_under_load_breaks_no_answer_off(tmp_path: Path) -> None:
    """What was accepted is answered; a caller has a whole answer, or a connection that ended before it began."""
    broken: list[str] = []
    tokens: list[bytes] = []

    def ask(running: RunningAuthority) -> None:
        with httpx.Client() as client:
            while True:
                asked = query()
                try:
                    reply = running.post(asked, client)
                except (httpx.ConnectError, httpx.ReadError, httpx.WriteError):
                    return
                except httpx.RemoteProtocolError as error:
                    if "without sending a response" not in str(error):
                        broken.append(str(error))
                    return
                tokens.append(token_of(reply, asked).der)

    arguments = ("--demo", "--workers", "2", "--directory", tmp_path / "demo")
    with RunningAuthority(*arguments, log=tmp_path / "log") as running, ThreadPoolExecutor(12) as pool:
        asking = [pool.submit(ask, running) for _ in range(12)]
        time.sleep(1.0)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=10) == 0
        for one in asking:
            one.result(timeout=20)
    assert not broken
    assert len(tokens) > 12
    recorded = {record["token_sha256"] for record in read_records(tmp_path / "demo" / "records")}
    assert {hashlib.sha256(token).hexdigest() for token in tokens} <= recorded


def served_at(address: str, running: RunningAuthority) -> bool:
    try:
        return from_address(address, running).status_code == 200
    except httpx.TransportError:
        return False


def test_a_wrong_pin_is_tried_once_by_all_workers_together(tmp_path: Path) -> None:
    """FTS-TS-1: a token locks after a few wrong PINs; workers that start anew would be the end of the unit."""
    demo = tmp_path / "demo"
    arguments = ("--demo", "--key", "p256", "--store", "softhsm", "--workers", "3", "--directory", demo)
    with RunningAuthority(*arguments, log=tmp_path / "log") as running:
        assert len(running.workers()) == 3
    (demo / "pin").write_text("0000\n")
    status, told = refusal(*arguments, "--port", "0")
    assert status == 1
    assert told.count("PinIncorrect") == 1
    assert "UNIT_PIN_REFUSED" in told
    assert "Remedy: Correct the PIN before the next start" in told


def test_slow_bodies_of_one_caller_keep_nobody_out(tmp_path: Path) -> None:
    """FTS-TS-4: more connections than a worker gives one address, each with a query that never comes to its end."""
    head = b"POST /tsa HTTP/1.1\r\nhost: a\r\ncontent-type: application/timestamp-query\r\ncontent-length: 60\r\n\r\n0"
    with (
        RunningAuthority("--demo", "--directory", tmp_path / "demo", log=tmp_path / "log") as running,
        contextlib.ExitStack() as held,
    ):
        port = httpx.URL(running.url).port
        assert port is not None
        slow = []
        for _ in range(300):
            one = held.enter_context(socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.2", 0)))
            with contextlib.suppress(OSError):
                one.sendall(head)
            slow.append(one)
        started = time.monotonic()
        assert from_address("127.0.0.3", running).status_code == 200
        assert time.monotonic() - started < 2
        told = [one for one in slow if select.select([one], [], [], 0)[0]]
        assert len(told) == 300 - 256
        # a query has 10 s; then their places are free again
        deadline = time.monotonic() + 20
        while not served_at("127.0.0.2", running):
            assert time.monotonic() < deadline
            time.sleep(0.5)
    assert "connections of 127.0.0.2 are sent away with 429" in (tmp_path / "log").read_text()


def refusal(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "fts.cli", "tsa", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=SECONDS, env={**os.environ, **environment}
    )
    return done.returncode, done.stderr


def test_a_demo_is_refused_in_prod(tmp_path: Path) -> None:
    status, said = refusal("--demo", "--directory", tmp_path / "demo", FTS_ENVIRONMENT="PROD")
    assert (status, said.startswith("DEMO_REFUSED: ")) == (1, True)
    assert not (tmp_path / "demo").exists()


def test_an_unguarded_key_is_refused_in_prod(authority: RunningAuthority, tmp_path: Path) -> None:
    status, said = refusal("--config", configured(tmp_path, directory(authority), environment="PROD"))
    assert (status, said.startswith("CONFIGURATION_INVALID: ")) == (2, True)
    assert "key_file" in said


def test_a_taken_port_is_refused(authority: RunningAuthority, tmp_path: Path) -> None:
    """Two authorities would otherwise share a port, and a caller could not know whom it asks."""
    port = authority.url.rpartition(":")[2].partition("/")[0]
    status, said = refusal("--demo", "--directory", tmp_path, "--port", port)
    assert (status, said.splitlines()[-2].partition(":")[0]) == (1, "PORT_UNAVAILABLE")


def test_a_key_that_is_not_the_certificates_stops_everything(authority: RunningAuthority, tmp_path: Path) -> None:
    key = tmp_path / "other.key"
    shell(f"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {key}", tmp_path)
    file = configured(tmp_path, directory(authority), unit={"key_file": str(key)})
    status, said = refusal("--config", file, "--port", "0")
    assert status == 1
    assert "UNIT_KEY_MISMATCH" in said
    assert "Traceback" not in said


def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    """A supervisor that is killed leaves no signer behind."""
    arguments = ("--demo", "--workers", "2", "--directory", tmp_path / "demo")
    with RunningAuthority(*arguments, log=tmp_path / "log") as running:
        workers = running.workers()
        running.process.kill()
        deadline = time.monotonic() + 10
        while any(alive(number) for number in workers):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_stops_when_asked(tmp_path: Path) -> None:
    with RunningAuthority("--demo", "--directory", tmp_path / "demo", log=tmp_path / "log") as running:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=15) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
