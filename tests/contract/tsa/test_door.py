"""The authority behind a real HTTP server: killed while it records, and fed with what is too much (T-7, FTS-TS-1)."""

import asyncio
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.unit.signing.issuing import authority, issue
from tests.unit.timestamping.units import TIME_STAMPING, status_of
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.app import MAX_QUERY_BYTES
from timestamping.authority.records import read_records
from timestamping.request import build_request, message_imprint

ROOT = Path(__file__).parents[3]
MEDIA_TYPE = {"content-type": "application/timestamp-query"}
QUERY = build_request(bytes(32), DigestAlgorithm.SHA256, nonce=7)
KILLS = 6
GROWTH_KILOBYTES = 8 * 1024


class Served:
    """A server's process."""

    def __init__(self, directory: Path) -> None:
        self._log = (directory / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("server.py")), str(directory)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/"

    def peak(self) -> int:
        """The most memory that it ever had, in kilobytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        self._log.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    ca = authority("Timestamping CA")
    unit = issue("Timestamping Unit", ca, extensions=TIME_STAMPING)
    (tmp_path / "unit.key").write_bytes(unit.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "unit.pem").write_bytes(unit.certificate.public_bytes(Encoding.PEM))
    return tmp_path


@pytest.fixture
def served(directory: Path) -> Iterator[Served]:
    server = Served(directory)
    yield server
    server.end()


async def gather_tokens(url: str, clients: int, served: asyncio.Event) -> list[bytes]:
    """Ask until the server is gone; set `served` once a token came, and return the SHA-256 of each."""
    received: list[bytes] = []

    async def one(client: httpx.AsyncClient) -> None:
        while True:
            try:
                reply = (await client.post(url, content=QUERY, headers=MEDIA_TYPE)).content
            except httpx.HTTPError:
                return
            _, token = status_of(reply)
            assert token is not None
            received.append(hashlib.sha256(token).digest())
            served.set()

    async with httpx.AsyncClient(trust_env=False) as client:
        await asyncio.gather(*[one(client) for _ in range(clients)])
    return received


def test_no_token_without_its_record(directory: Path) -> None:
    """The server is killed at a random moment, again and again: whatever a client holds is on record."""
    received: list[bytes] = []
    chance = random.Random(4711)  # noqa: S311  moments, not secrets

    async def until_killed() -> list[bytes]:
        server, begun = Served(directory), asyncio.Event()
        asking = asyncio.create_task(gather_tokens(server.url, 16, begun))
        async with asyncio.timeout(60):
            await begun.wait()
        await asyncio.sleep(chance.random() / 2)
        await asyncio.to_thread(server.end, signal.SIGKILL)
        return await asking

    for _ in range(KILLS):
        tokens = asyncio.run(until_killed())
        assert tokens
        received += tokens
    recorded = {record["token_sha256"] for record in read_records(directory / "records")}
    assert len(received) == len(set(received))
    assert {token.hex() for token in received} <= recorded
    assert len(list((directory / "records").iterdir())) == KILLS


def test_every_decision_is_on_record(served: Served, directory: Path) -> None:
    queries = [
        QUERY,
        b"",
        QUERY + b"\0",
        der.sequence(der.integer(2), message_imprint(DigestAlgorithm.SHA256, bytes(32))),
    ]
    for query in queries:
        assert httpx.post(served.url, content=query, headers=MEDIA_TYPE, trust_env=False).status_code == 200
    records = list(read_records(directory / "records"))
    assert [record["fail_info"] for record in records] == [None, "badDataFormat", "badDataFormat", "badRequest"]
    assert [record["query_octets"] for record in records] == [len(query) for query in queries]
    assert {record["address"] for record in records} == {"127.0.0.1"}
    for record in records:
        assert datetime.fromisoformat(record["received_at"]) <= datetime.fromisoformat(record["decided_at"])


HUGE = (
    der.sequence(
        der.integer(1), message_imprint(DigestAlgorithm.SHA256, bytes(32)), der.integer(int("9" * 60_000, 16))
    ),
    der.sequence(der.integer(1 << 500_000), message_imprint(DigestAlgorithm.SHA256, bytes(32))),
    b"\x30\x80" * (MAX_QUERY_BYTES // 2),
    b"\x30\x84\x7f\xff\xff\xff" + bytes(1_000),
    bytes(MAX_QUERY_BYTES),
)


def test_large_and_deep_queries_cost_nothing(served: Served, directory: Path) -> None:
    """T-7: integers of 100,000 digits and more, nesting, lengths that lie: answered, memory and records flat."""
    with httpx.Client(trust_env=False) as client:
        for query in HUGE * 2:
            client.post(served.url, content=query, headers=MEDIA_TYPE)
        before = served.peak()
        for query in HUGE * 100:
            reply = client.post(served.url, content=query, headers=MEDIA_TYPE)
            assert status_of(reply.content)[1] is None
    assert served.peak() - before < GROWTH_KILOBYTES
    (records,) = (directory / "records").iterdir()
    assert records.stat().st_size < len(HUGE) * 102 * 2_000


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "announced"])
def test_a_body_of_a_hundred_megabytes(served: Served, chunked: bool) -> None:
    """T-7: sent away after the first octets; nothing is collected, and the next query is answered."""
    assert httpx.post(served.url, content=QUERY, headers=MEDIA_TYPE, trust_env=False).status_code == 200
    before = served.peak()
    length = b"transfer-encoding: chunked" if chunked else b"content-length: 104857600"
    piece = b"10000\r\n" + bytes(65_536) + b"\r\n" if chunked else bytes(65_536)
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as sending:
        head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/timestamp-query\r\n" + length + b"\r\n\r\n"
        sent = 0
        try:
            sending.sendall(head)
            for _ in range(1600):
                sending.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        assert sent < 16 * 1024 * 1024, "the server went on reading"
    assert served.peak() - before < GROWTH_KILOBYTES
    assert httpx.post(served.url, content=QUERY, headers=MEDIA_TYPE, trust_env=False).status_code == 200


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_too_much_is_said_in_words(served: Served, announced: bool) -> None:
    body = bytes(MAX_QUERY_BYTES + 1)
    content = body if announced else iter([body[:10], body[10:]])
    reply = httpx.post(served.url, content=content, headers=MEDIA_TYPE, trust_env=False)
    assert (reply.status_code, reply.text) == (413, "a query is at most 65536 octets\n")
