"""What every object store must do: files, and a real S3 server (FTS-GDPR-1, FTS-SEC-3; cases F-3, S-1)."""

import asyncio
import io
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from minio.commonconfig import ENABLED, CopySource
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.versioningconfig import SUSPENDED, VersioningConfig
from urllib3 import HTTPResponse, PoolManager

from storage.files import FileStore
from storage.ports import ObjectMissingError, ObjectStore, StorageError
from storage.s3 import CHECK_BUCKET, S3Store
from storage.s3_settings import S3Credentials, S3Endpoint
from tests.support.seaweed import Seaweed, client_of, seaweed

TOWN, OTHER, KEPT = "town", "other", "kept"
NAME = f"{TOWN}/0123456789abcdef"
SIZES = [0, 1, 70_000, 12 * (1 << 20) + 3]
"""The last is sent in parts."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("weed"), (TOWN, OTHER, KEPT, CHECK_BUCKET)) as running:
        client_of(running).set_bucket_versioning(bucket_name=KEPT, config=VersioningConfig(status=ENABLED))
        yield running


def s3_store(server: Seaweed) -> S3Store:
    return S3Store(server.endpoint, lambda bucket: server.buckets[bucket], "", lambda: [TOWN, OTHER, KEPT])


@pytest.fixture(params=["files", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    if request.param == "files":
        yield FileStore(tmp_path / "objects")
        return
    found: ObjectStore = s3_store(request.getfixturevalue("server"))
    yield found
    asyncio.run(_emptied(found))


async def _emptied(store: ObjectStore) -> None:
    for name in await names(store):
        await store.delete(name)


def written(directory: Path, data: bytes) -> Path:
    path = directory / "source"
    path.write_bytes(data)
    return path


async def names(store: ObjectStore, bucket: str | None = None) -> list[str]:
    return [stored.name async for stored in store.listing(bucket)]


async def content(store: ObjectStore, name: str) -> bytes:
    with await store.open(name) as stream:
        return stream.read()


@pytest.mark.parametrize("size", SIZES)
def test_an_object_comes_back_as_it_was_put(store: ObjectStore, tmp_path: Path, size: int) -> None:
    async def work() -> None:
        data = os.urandom(size)
        source = written(tmp_path, data)
        await store.put(NAME, source)
        assert source.read_bytes() == data, "the file is left as it is"
        assert await content(store, NAME) == data
        with await store.open(NAME) as stream:
            assert b"".join(iter(lambda: stream.read(1 << 16), b"")) == data
        [stored] = [stored async for stored in store.listing()]
        assert (stored.name, stored.size) == (NAME, size)
        assert abs(stored.modified_at - datetime.now(UTC)) < timedelta(minutes=1)

    asyncio.run(work())


def test_a_deleted_object_is_gone_and_deleting_it_again_is_no_error(store: ObjectStore, tmp_path: Path) -> None:
    async def work() -> None:
        await store.put(NAME, written(tmp_path, b"x"))
        await store.delete(NAME)
        await store.delete(NAME)
        assert await names(store) == []
        with pytest.raises(ObjectMissingError):
            await store.open(NAME)

    asyncio.run(work())


def test_there_is_nothing_where_nothing_was_put(store: ObjectStore) -> None:
    async def work() -> None:
        for name in (NAME, f"{OTHER}/x"):
            with pytest.raises(ObjectMissingError):
                await store.open(name)
            await store.delete(name)
        assert await names(store) == []

    asyncio.run(work())


@pytest.mark.parametrize(
    "name",
    [
        "", "x", "/", "../x/y", "a/../b", "a/b/c", "/etc/passwd", "a/..", "a/.", "a/b\0", "a/ b", "a/%2e%2e",
        "a/%252e%252e", "a/b\n", "a/b\x1b[31m", "a/b\u202egpj", "a/b.", "a/" + "b" * 1100, "a" * 200,
        "a/é", "a\\b", "a/b\\c", "a/-b/",
    ],
)  # fmt: skip
def test_a_name_is_never_a_way_out(store: ObjectStore, tmp_path: Path, name: str) -> None:
    """Case F-3."""

    async def work() -> None:
        for attempt in (store.put(name, written(tmp_path, b"x")), store.open(name), store.delete(name)):
            with pytest.raises(ValueError, match="no name"):
                await attempt

    asyncio.run(work())


def test_a_bucket_is_listed_by_itself(store: ObjectStore, tmp_path: Path) -> None:
    async def work() -> None:
        for name in (NAME, f"{TOWN}/b", f"{OTHER}/c"):
            await store.put(name, written(tmp_path, b"x"))
        assert sorted(await names(store)) == [f"{OTHER}/c", NAME, f"{TOWN}/b"]
        assert sorted(await names(store, TOWN)) == [NAME, f"{TOWN}/b"]

    asyncio.run(work())


def test_what_cannot_be_stored_leaves_nothing_behind(store: ObjectStore, tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(StorageError):
            await store.put(NAME, tmp_path / "there is no such file")
        assert await names(store) == []

    asyncio.run(work())


def test_unfinished_uploads_are_removed(store: ObjectStore, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Case S-4: what a crash left half-way."""

    async def work() -> None:
        await store.put(NAME, written(tmp_path, b"x"))
        if isinstance(store, FileStore):
            half = tmp_path / "objects" / TOWN / ".0123456789abcdef"
            half.write_bytes(b"half")
            gone = half.exists
        else:
            client = client_of(request.getfixturevalue("server"))
            client._create_multipart_upload(TOWN, "half", {})
            gone = lambda: bool(client._list_multipart_uploads(TOWN).uploads)  # noqa: E731
        assert gone()
        assert await store.discard_unfinished(datetime.now(UTC) - timedelta(hours=1)) == 0
        assert gone()
        assert await store.discard_unfinished(datetime.now(UTC) + timedelta(hours=1)) == 1
        assert not gone()
        assert await content(store, NAME) == b"x"

    asyncio.run(work())


def test_the_check_leaves_nothing_behind(store: ObjectStore) -> None:
    async def work() -> None:
        await store.check()
        assert await names(store) == []

    asyncio.run(work())


def test_the_store_enforces_what_the_gateway_relies_on(store: ObjectStore) -> None:
    async def work() -> None:
        findings = await store.probe(TOWN)
        assert findings
        assert [found for found in findings if not found.holds] == []
        assert await names(store) == []

    asyncio.run(work())


def test_a_bucket_is_removed_with_everything_in_it(tmp_path: Path) -> None:
    async def work(store: ObjectStore) -> None:
        await store.put("leaving/a", written(tmp_path, b"x"))
        await store.put("leaving/b", written(tmp_path, b"x"))
        await store.put("staying/a", written(tmp_path, b"x"))
        await store.remove_bucket("leaving")
        await store.remove_bucket("leaving")
        assert await names(store) == ["staying/a"]
        await store.put("leaving/a", written(tmp_path, b"x"))

    asyncio.run(work(FileStore(tmp_path / "objects")))
    with seaweed(tmp_path / "weed") as server:
        buckets = ["leaving", "staying"]
        asyncio.run(work(S3Store(server.endpoint, lambda _bucket: server.admin, "", lambda: buckets)))


def test_old_versions_are_deleted_too(server: Seaweed, tmp_path: Path) -> None:
    """Case S-4: a bucket on which somebody switched versioning on."""
    store, client = s3_store(server), client_of(server)

    async def work() -> None:
        name = f"{KEPT}/object"
        for octets in (b"one", b"two", b"three"):
            await store.put(name, written(tmp_path, octets))
        client.remove_object(bucket_name=KEPT, object_name="object")
        assert len(await names(store, KEPT)) == 4, "three versions and a delete marker are shown"
        await store.delete(name)
        assert await names(store, KEPT) == []
        assert list(client.list_objects(bucket_name=KEPT, recursive=True, include_version=True)) == []
        held = {found.property: found.holds for found in await store.probe(KEPT)}
        assert held["what is deleted is gone"], held
        assert not held["no versions are kept"], held
        assert await names(store, KEPT) == []

    asyncio.run(work())


@pytest.mark.parametrize("state", ["off", "enabled", "suspended", "unknown"])
def test_versioning_is_found_whatever_its_state(server: Seaweed, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """FTS-GDPR-1: only a bucket that keeps no versions, and says so, is fit; one where it is suspended is not."""
    client, bucket = client_of(server), KEPT if state in ("enabled", "suspended") else TOWN

    def refused(_client: Minio, bucket_name: str) -> VersioningConfig:
        answer = HTTPResponse(status=403)
        raise S3Error(answer, "AccessDenied", "", "", "", "", bucket_name=bucket_name)

    if state == "suspended":
        client.set_bucket_versioning(bucket_name=KEPT, config=VersioningConfig(status=SUSPENDED))
    if state == "unknown":
        monkeypatch.setattr(Minio, "get_bucket_versioning", refused)
    try:
        findings = {found.property: found for found in asyncio.run(s3_store(server).probe(bucket))}
    finally:
        client.set_bucket_versioning(bucket_name=KEPT, config=VersioningConfig(status=ENABLED))
    found = findings.pop("no versions are kept")
    assert found.holds == (state == "off"), found
    assert found.detail.startswith(f"versioning is {state}"), found
    assert [other for other in findings.values() if not other.holds] == []


def attempts(client: Minio, bucket: str, key: str, upload_id: str) -> dict[str, Callable[[], Any]]:
    """Return every way to reach into a bucket."""
    source = CopySource(bucket_name=bucket, object_name=key)
    return {
        "read": lambda: client.get_object(bucket_name=bucket, object_name=key),
        "stat": lambda: client.stat_object(bucket_name=bucket, object_name=key),
        "write": lambda: client.put_object(bucket_name=bucket, object_name="x", data=io.BytesIO(b"x"), length=1),
        "overwrite": lambda: client.put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(b"x"), length=1),
        "list": lambda: list(client.list_objects(bucket_name=bucket)),
        "delete": lambda: client.remove_object(bucket_name=bucket, object_name=key),
        "copy from": lambda: client.copy_object(bucket_name=TOWN, object_name="stolen", source=source),
        "part": lambda: client._upload_part(
            bucket_name=bucket, object_name="half", data=b"x", headers={}, upload_id=upload_id, part_number=1
        ),
        "begin": lambda: client._create_multipart_upload(bucket, "new", {}),
        "parts": lambda: client._list_parts(bucket, "half", upload_id),
        "finish": lambda: client._complete_multipart_upload(bucket, "half", upload_id, []),
        "abort": lambda: client._abort_multipart_upload(bucket, "half", upload_id),
        "uploads": lambda: client._list_multipart_uploads(bucket),
        "versions": lambda: list(client.list_objects(bucket_name=bucket, include_version=True)),
        "delete many": lambda: _deleted(client, bucket, key),
        "tags": lambda: client.get_object_tags(bucket_name=bucket, object_name=key),
        "policy": lambda: client.get_bucket_policy(bucket_name=bucket),
        "other policy": lambda: client.set_bucket_policy(bucket_name=bucket, policy='{"Version": "2012-10-17"}'),
        "keep versions": lambda: client.set_bucket_versioning(
            bucket_name=bucket, config=VersioningConfig(status=ENABLED)
        ),
        "remove": lambda: client.remove_bucket(bucket_name=bucket),
    }


def _deleted(client: Minio, bucket: str, key: str) -> None:
    """Delete by the operation for many objects, which answers 200 and says for each what came of it."""
    [error] = client.remove_objects(bucket_name=bucket, delete_object_list=[DeleteObject(key)])
    status = 403 if error.code == "AccessDenied" else 200
    raise S3Error(HTTPResponse(status=status), error.code, error.message, "", "", "")


def test_one_clients_credential_opens_no_other_bucket(server: Seaweed) -> None:
    """Case S-1: read, write, list, delete, copy, a part of another's upload: refused each."""
    admin = client_of(server)
    admin.put_object(bucket_name=OTHER, object_name="secret", data=io.BytesIO(b"secret"), length=6)
    upload_id = admin._create_multipart_upload(OTHER, "half", {})
    client = client_of(server, server.buckets[TOWN])
    mine = client._create_multipart_upload(TOWN, "mine", {})
    copied: dict[str, Any] = {"x-amz-copy-source": f"/{OTHER}/secret"}
    try:
        with pytest.raises(S3Error) as refused:
            client._upload_part_copy(TOWN, "mine", mine, 1, copied)
        assert refused.value.response.status == 403, "a part that is copied from another bucket"
        with pytest.raises(S3Error) as refused:
            client._upload_part(
                bucket_name=TOWN, object_name="half", data=b"x", headers={}, upload_id=upload_id, part_number=1
            )
        assert refused.value.response.status == 404, "another's upload under the own bucket's name"
        for what, attempt in attempts(client, OTHER, "secret", upload_id).items():
            with pytest.raises(S3Error) as refused:
                attempt()
            assert refused.value.response.status == 403, what
        answer = admin.get_object(bucket_name=OTHER, object_name="secret")
        assert answer.read() == b"secret"
        answer.release_conn()
    finally:
        client._abort_multipart_upload(TOWN, "mine", mine)
        admin._abort_multipart_upload(OTHER, "half", upload_id)
        admin.remove_object(bucket_name=OTHER, object_name="secret")


def test_a_credential_that_opens_other_buckets_is_found(server: Seaweed) -> None:
    """Case S-1: where the server does not keep clients apart, the probe says by what, and leaves nothing behind."""
    found = {}
    for who in ("own", "any"):
        other = server.buckets[OTHER] if who == "own" else server.admin
        credentials = {TOWN: server.buckets[TOWN], OTHER: other, CHECK_BUCKET: other}
        store = S3Store(server.endpoint, credentials.__getitem__, "", lambda: [TOWN, OTHER])
        found[who] = {one.property: one for one in asyncio.run(store.probe(TOWN))}
    apart = ("the credential of another bucket is refused", "nothing is copied out of the bucket or added to an upload")
    for each in apart:
        assert found["own"][each].holds, found["own"][each]
        assert not found["any"][each].holds
        assert found["any"][each].detail.count("was possible") == (4 if each == apart[0] else 2)
    admin = client_of(server)
    for bucket in (TOWN, OTHER):
        assert list(admin.list_objects(bucket_name=bucket, recursive=True)) == []
        assert admin._list_multipart_uploads(bucket).uploads == []


def test_one_clients_credential_signs_no_url_or_form_for_another_bucket(server: Seaweed) -> None:
    """Case S-1: presigned URLs and POST policies that a client makes itself; the same for its own bucket are taken."""
    client, pool = client_of(server, server.buckets[TOWN]), PoolManager(retries=False)
    answers: dict[str, dict[str, int]] = {}
    admin = client_of(server)
    for bucket in (TOWN, OTHER):
        admin.put_object(bucket_name=bucket, object_name="there", data=io.BytesIO(b"there"), length=5)
        found = answers[bucket] = {}
        for method, key in (("GET", "there"), ("HEAD", "there"), ("PUT", "new"), ("DELETE", "there")):
            url = client.get_presigned_url(method, bucket, key, expires=timedelta(minutes=5))
            found[method] = pool.request(method, url, body=b"x" if method == "PUT" else None).status
        policy = PostPolicy(bucket_name=bucket, expiration=datetime.now(UTC) + timedelta(minutes=5))
        policy.add_equals_condition("key", "posted")
        policy.add_content_length_range_condition(1, 10)
        form: dict[str, str | tuple[str, bytes]] = {**client.presigned_post_policy(policy), "key": "posted"}
        form["file"] = ("posted", b"x")
        found["POST"] = pool.request("POST", f"http://{server.endpoint.host}/{bucket}", fields=form).status
    kept = {found.object_name for found in admin.list_objects(bucket_name=OTHER)}
    for bucket, key in ((TOWN, "new"), (TOWN, "posted"), (OTHER, "there"), *((OTHER, str(each)) for each in kept)):
        admin.remove_object(bucket_name=bucket, object_name=key)
    assert all(status < 300 for status in answers[TOWN].values()), answers[TOWN]
    assert set(answers[OTHER].values()) == {403}, answers[OTHER]
    assert kept == {"there"}


def test_a_bucket_that_cannot_be_read_hides_no_other(server: Seaweed, tmp_path: Path) -> None:
    credentials = {TOWN: S3Credentials("WRONG", "not-the-secret"), OTHER: server.buckets[OTHER]}
    store = S3Store(server.endpoint, credentials.__getitem__, "", lambda: [TOWN, OTHER])

    async def work() -> None:
        await store.put(f"{OTHER}/0123456789abcdef", written(tmp_path, b"x"))
        found = []
        with pytest.raises(StorageError):  # noqa: PT012 - what came before the error counts
            async for stored in store.listing():
                found.append(stored.name)  # noqa: PERF401
        assert found == [f"{OTHER}/0123456789abcdef"]
        client = client_of(server)
        client._create_multipart_upload(OTHER, "half", {})
        with pytest.raises(StorageError):
            await store.discard_unfinished(datetime.now(UTC) + timedelta(hours=1))
        assert client._list_multipart_uploads(OTHER).uploads == []
        await store.delete(f"{OTHER}/0123456789abcdef")

    asyncio.run(work())


def test_secrets_are_not_shown(server: Seaweed) -> None:
    """Case S-5."""
    credentials = server.buckets[TOWN]
    assert credentials.secret_key not in repr(credentials)
    store = S3Store(server.endpoint, lambda _bucket: S3Credentials("WRONG", "not-the-secret"), "", lambda: [TOWN])
    with pytest.raises(StorageError) as refused:
        asyncio.run(store.open(NAME))
    assert "not-the-secret" not in str(refused.value)


@contextmanager
def dying(answer: bytes) -> Iterator[S3Endpoint]:
    """Run a server that answers every request with these octets and then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield S3Endpoint(f"127.0.0.1:{listener.getsockname()[1]}", secure=False, region="us-east-1")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: x\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nETag: x\r\n\r\nno length",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 No\r\nContent-Length: 7\r\n\r\n<a><b/>",
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
        b"no http at all\r\n\r\n",
    ],
)
def test_a_server_that_fails_is_a_failed_store(answer: bytes) -> None:
    with dying(answer) as endpoint:
        store = S3Store(endpoint, lambda _bucket: S3Credentials("A", "b"), "", lambda: [TOWN])
        with pytest.raises(StorageError):
            asyncio.run(content(store, NAME))


def test_a_server_that_is_not_there_is_a_failed_store(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    endpoint = S3Endpoint(f"127.0.0.1:{port}", secure=False, region="us-east-1")
    store = S3Store(endpoint, lambda _bucket: S3Credentials("A", secrets.token_hex(8)), "", lambda: [TOWN])

    async def work() -> None:
        for attempt in (store.open(NAME), store.put(NAME, written(tmp_path, b"x")), store.check()):
            with pytest.raises(StorageError):
                await attempt

    asyncio.run(work())


@contextmanager
def aborting(answers: dict[str, tuple[int, str]]) -> Iterator[S3Endpoint]:
    """Run a server that has the unfinished uploads `answers`, and gives to their abort this status and code."""
    listed = "".join(
        f"<Upload><Key>{key}</Key><UploadId>{key}</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>"
        for key in answers
    )
    listing = f"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{listed}</ListMultipartUploadsResult>"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, listing)

        def do_DELETE(self) -> None:
            status, code = answers[self.path.rpartition("uploadId=")[2]]
            self._answer(status, f"<Error><Code>{code}</Code></Error>" if code else "")

        def _answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        try:
            yield S3Endpoint(f"127.0.0.1:{running.server_port}", secure=False, region="us-east-1")
        finally:
            running.shutdown()
            thread.join()


def test_an_unfinished_upload_that_another_node_removed_is_no_error() -> None:
    """Case S-4: two nodes at once; S3 answers NoSuchUpload to the later one (SeaweedFS answers 204)."""
    with aborting({"theirs": (404, "NoSuchUpload"), "ours": (204, "")}) as endpoint:
        store = S3Store(endpoint, lambda _bucket: S3Credentials("A", "b"), "", lambda: [TOWN])
        assert asyncio.run(store.discard_unfinished(datetime.now(UTC))) == 1


def test_an_unfinished_upload_that_stays_is_an_error() -> None:
    with aborting({"kept": (403, "AccessDenied")}) as endpoint:
        store = S3Store(endpoint, lambda _bucket: S3Credentials("A", "b"), "", lambda: [TOWN])
        with pytest.raises(StorageError):
            asyncio.run(store.discard_unfinished(datetime.now(UTC)))
