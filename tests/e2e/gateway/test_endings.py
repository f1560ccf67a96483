"""What is under way when something ends: downloads, uploads, jobs; and the backup that comes back afterwards.

FTS-GDPR-1, FTS-GDPR-2, FTS-OPS-6; on both stores and both databases.
"""

import base64
import hashlib
import io
import json
import secrets
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.gateway.test_failure_map import code
from tests.e2e.gateway.test_postgres import Separated
from tests.samples.sound import SOUND
from tests.samples.writer import classic, stream, text_pages
from tests.support.gateway import Gateway, named
from tests.support.postgres import OWNER, SUPERUSER, _program, postgres
from tests.support.seaweed import Seaweed, client_of, seaweed

LIMITS = {"sweep_seconds": 0.2, "orphan_sweep_seconds": 0.3}
PREFIX = "fts-"
LARGE = 40 << 20
"""Octets: more than all buffers between the store and a reader that waits."""


class Stand:
    """A gateway, and what it keeps as seen from behind."""

    gateway: Gateway

    def bucket(self, name: str) -> list[str] | None:
        """Return the objects of a bucket, None where there is none."""
        folder = self.gateway.directory / "data" / "objects" / name
        return [path.name for path in folder.iterdir()] if folder.exists() else None

    def execute(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """Do something in the database; `?` stands for a value."""
        path = self.gateway.directory / "data" / "fts.sqlite3"
        with closing(sqlite3.connect(path, timeout=20)) as database, database:
            return database.execute(statement, values).fetchall()

    def keys(self, client_id: str) -> list[str]:
        folder = self.gateway.directory / "data" / "keys" / client_id
        return [path.name for path in folder.iterdir()] if folder.exists() else []


class Remote(Stand):
    """With an S3 server and PostgreSQL."""

    gateway: Separated
    server: Seaweed

    def bucket(self, name: str) -> list[str] | None:
        client = client_of(self.server)
        if not client.bucket_exists(bucket_name=PREFIX + name):
            return None
        found = client.list_objects(bucket_name=PREFIX + name, recursive=True, include_version=True)
        return [str(one.object_name) for one in found]

    def execute(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        with self.gateway.database.connect() as connection:
            done = connection.execute(statement.replace("?", "%s").encode(), values)
            return done.fetchall() if done.description else []


@contextmanager
def local(directory: Path) -> Iterator[Stand]:
    stand = Stand()
    with Gateway(directory, limits=LIMITS) as stand.gateway:
        yield stand


@contextmanager
def remote(directory: Path) -> Iterator[Remote]:
    stand = Remote()
    with seaweed(directory / "weed") as stand.server, postgres(directory) as database:
        path = directory / "store.json"
        path.touch(mode=0o600)
        admin = stand.server.admin
        path.write_text(json.dumps({"*": {"access_key": admin.access_key, "secret_key": admin.secret_key}}))
        store = {"endpoint": stand.server.endpoint.host, "secure": False, "prefix": PREFIX, "place": "BE"}
        objects = {**store, "credentials": str(path)}
        with Separated(directory, database.create(OWNER), limits=LIMITS, objects=objects) as stand.gateway:
            yield stand


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote(tmp_path_factory.mktemp("far")) as made:
        yield made


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with local(tmp_path_factory.mktemp("near")) as made:
        yield made


@pytest.fixture(params=["near", "far"])
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    found: Stand = request.getfixturevalue(request.param)
    yield found
    for path in found.gateway.clients.glob("*.toml"):
        path.unlink()


def large() -> tuple[bytes, bytes]:
    """Return a large document and octets from near its end."""
    noise = secrets.token_bytes(LARGE)
    data = classic({**text_pages(catalog="/Attachment 9 0 R"), 9: stream(noise)})
    return data, noise[-1000:]


def until(reached: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("what", ["content", "export"])
@pytest.mark.parametrize("end", ["deletion", "time"])
def test_a_download_that_began_before_the_end_is_cut(stand: Stand, what: str, end: str) -> None:
    """Nothing of a destroyed document is served, to whoever had begun to read it neither."""
    account = stand.gateway.account
    data, tail = large()
    document = account.upload(data).json()["id"]
    path = "/v1/export" if what == "export" else f"/v1/documents/{document}/content"
    received = io.BytesIO()

    def read(pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            received.write(piece)

    slow = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)])
    with (
        httpx.Client(transport=slow, base_url=account.api.base_url, auth=account.api.auth) as reader,
        reader.stream("GET", path) as answer,
    ):
        answer.raise_for_status()
        pieces = answer.iter_raw()
        received.write(next(pieces))
        if end == "deletion":
            assert account.api.delete(f"/v1/documents/{document}").status_code == 204
        else:
            stand.execute("UPDATE document SET expires_at = 1 WHERE id = ?", document)
            until(lambda: stand.execute("SELECT id FROM document WHERE id = ?", document) == [])
            until(lambda: stand.keys("town") == [])
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            read(pieces)
    assert data[:1000] in received.getvalue(), "it had begun"
    assert len(received.getvalue()) < LARGE / 2
    assert tail not in received.getvalue()
    assert stand.bucket("town") == []
    stand.gateway.account.api.get("/v1/usage").raise_for_status()


def test_an_upload_that_was_under_way_comes_to_nothing(stand: Stand) -> None:
    """The account ends in the middle of a body: no row, no key, no object, and no bucket."""
    account = stand.gateway.register("leaving")
    account.upload(SOUND["one_page"]()).raise_for_status()
    data = SOUND["one_page"]() + b"%" * (1 << 20)
    reports = []

    def body() -> Iterator[bytes]:
        yield data[:100_000]
        until(lambda: len(stand.keys("leaving")) == 2)
        reports.append(json.loads(stand.gateway.command("clients", "offboard", "leaving", "--yes")))
        yield data[100_000:]

    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    headers = {
        "content-type": "application/pdf",
        "content-digest": f"sha-256=:{digest}:",
        "content-disposition": named("late.pdf"),
        "content-length": str(len(data)),
    }
    answer = account.api.put("/v1/documents/late", content=body(), headers=headers)
    # 503 where the bucket was removed under its hands
    assert code(answer) in ("CREDENTIALS_REQUIRED", "STORE_UNAVAILABLE")
    assert [report["documents"] for report in reports] == [1]
    assert stand.execute("SELECT id FROM document WHERE client_id = ?", "leaving") == []
    until(lambda: stand.bucket("leaving") is None)
    until(lambda: stand.keys("leaving") == [])


def test_work_that_was_under_way_leaves_nothing(stand: Stand) -> None:
    """The account ends while a worker has its document, and while a signer signs."""
    account = stand.gateway.register("working")
    signing = account.new_signing(SOUND["fifty_kb"]())
    browser = stand.gateway.browser(signing)
    browser.open().raise_for_status()
    browser.give_certificate(stand.gateway.signer).raise_for_status()
    account.upload(SOUND["many_pages"]())
    stand.gateway.command("clients", "offboard", "working", "--yes")
    assert browser.open().status_code == 404
    assert stand.execute("SELECT id FROM document WHERE client_id = ?", "working") == []
    time.sleep(1.0)
    until(lambda: stand.bucket("working") is None)
    assert stand.keys("working") == []


def test_what_slipped_in_beside_the_end_is_destroyed(stand: Stand) -> None:
    """As if an upload had been written down in the same moment as the end of the account."""
    account = stand.gateway.register("racing")
    document = account.upload(SOUND["one_page"]()).json()["id"]
    assert stand.bucket("racing")
    moved = {"offboarded_at": int(time.time() * 1_000_000)}
    stand.execute(f"UPDATE client SET offboarded_at = {moved['offboarded_at']} WHERE id = 'racing'")  # noqa: S608
    until(lambda: stand.execute("SELECT id FROM document WHERE id = ?", document) == [])
    until(lambda: stand.bucket("racing") is None)
    assert stand.keys("racing") == []
    kinds = [kind for (kind,) in stand.execute("SELECT kind FROM event WHERE document_id = ? ORDER BY id", document)]
    assert kinds[-2:] == ["document.deletion_ordered", "document.destroyed"]


def test_a_restored_backup_gives_nothing_back(far: Remote, tmp_path: Path) -> None:
    """Database and objects as they were before the destruction come back: nothing can be read (FTS-GDPR-1, -2)."""
    gateway, account = far.gateway, far.gateway.register("restored")
    marker = secrets.token_hex(12)
    signing = account.new_signing(SOUND["fifty_kb"]() + f"% {marker}\n".encode())
    browser = gateway.browser(signing)
    assert browser.sign(gateway.signer)["state"] == "completed"
    document = signing["document"]
    stamped = account.api.post(f"/v1/documents/{document}/timestamps", json={"form": "detached"})
    stamped.raise_for_status()
    paths = [
        f"/v1/documents/{document}",
        f"/v1/documents/{document}/content",
        f"/v1/documents/{document}/timestamps/{stamped.json()['id']}",
        f"/v1/documents/{document}/timestamps/{stamped.json()['id']}/content",
        f"/v1/signings/{signing['id']}",
        f"/v1/signings/{signing['id']}/content",
    ]
    for path in paths:
        account.api.get(path).raise_for_status()
    dump, objects = dumped(far, tmp_path), copied(far, "restored")
    assert len(objects) >= 3
    assert account.api.delete(f"/v1/documents/{document}").status_code == 204
    assert far.bucket("restored") == []

    processes = (gateway.web, gateway.worker, gateway.sequencer)
    for process in processes:
        process.stop()
    restored(far, dump)
    for name, octets in objects.items():
        client_of(far.server).put_object(
            bucket_name=f"{PREFIX}restored", object_name=name, data=io.BytesIO(octets), length=len(octets)
        )
        assert marker.encode() not in octets
    for process in (gateway.web, gateway.worker, gateway.sequencer):
        process.start()

    assert far.execute("SELECT count(*) FROM document WHERE id = ?", document) == [(1,)], "the backup has the row"
    assert set(far.bucket("restored") or []) >= set(objects), "and the objects"
    for path in paths:
        assert code(account.api.get(path)) in ("DOCUMENT_NOT_FOUND", "SIGNING_NOT_FOUND"), path
    assert gateway.browser_at(signing["signing_url"]).open().status_code == 404
    assert marker.encode() not in account.api.get("/v1/export").content
    assert marker.encode() not in dump.read_bytes()
    server = far.gateway.database.server.directory
    assert (server / "pg_wal").is_dir()
    for file in [*gateway.directory.rglob("*.log"), *(gateway.directory / "weed").rglob("*"), *server.rglob("*")]:
        with suppress(FileNotFoundError):  # servers remove files meanwhile
            assert not file.is_file() or marker.encode() not in file.read_bytes(), file


def dumped(far: Remote, directory: Path) -> Path:
    database, path = far.gateway.database, directory / "database.sql"
    connect = ["-h", str(database.server.directory), "-U", SUPERUSER]
    with path.open("wb") as file:
        subprocess.run([_program("pg_dump"), *connect, database.name], stdout=file, check=True)
    return path


def restored(far: Remote, dump: Path) -> None:
    database = far.gateway.database
    connect = ["-h", str(database.server.directory), "-U", SUPERUSER]
    subprocess.run([_program("dropdb"), "--force", *connect, database.name], check=True)
    subprocess.run([_program("createdb"), *connect, "-O", OWNER, "-T", "template0", database.name], check=True)
    command = [_program("psql"), *connect, "-q", "-v", "ON_ERROR_STOP=1", "-d", database.name, "-f", str(dump)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def copied(far: Remote, bucket: str) -> dict[str, bytes]:
    found = {}
    for name in far.bucket(bucket) or []:
        answer = client_of(far.server).get_object(bucket_name=PREFIX + bucket, object_name=name)
        found[name] = answer.read()
        answer.close()
        answer.release_conn()
    return found
