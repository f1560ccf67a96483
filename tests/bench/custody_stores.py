"""Large documents to both stores and back: in process beside the bare client, and through a web process."""

import asyncio
import base64
import hashlib
import http.client
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from minio import Minio

from storage.envelope import DocumentKey
from storage.files import FileStore
from storage.keys import FileKeyStore
from storage.ports import ObjectStore
from storage.s3 import S3Store
from storage.s3_settings import S3Endpoint
from storage.vault import Vault
from tests.support.gateway import Gateway, named
from tests.support.seaweed import Seaweed, seaweed

_MB = 1 << 20
_CHUNK = 1 << 18
_PREFIX = "bench-"


@dataclass(frozen=True)
class Transfer:
    """Rates of one store in one direction, MB/s, each the best of the run; sizes in MB."""

    store: str
    way: str
    rate: float
    bare_rate: float
    http_rate: float
    grown_mb: float
    resident_mb: float


class _NoMaster:
    def wrap(self, octets: bytes, context: str) -> bytes:
        return octets

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        return wrapped


def transfers(directory: Path, store: str, megabytes: int, repeats: int) -> list[Transfer]:
    """Measure a store."""
    directory.mkdir()
    source = directory / "source"
    with source.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(_MB))
    if store == "files":
        objects = FileStore(directory / "store")
        return _measured(directory, store, objects, _copies(directory), {}, repeats, partial(_forget, directory))
    with seaweed(directory / "weed") as server:
        objects = S3Store(_endpoint(server), lambda _bucket: server.admin, _PREFIX)
        secrets = directory / "s3.json"
        secrets.touch(mode=0o600)
        secrets.write_text(
            json.dumps({"*": {"access_key": server.admin.access_key, "secret_key": server.admin.secret_key}})
        )
        members = {
            "objects": {
                "endpoint": _endpoint(server).host,
                "secure": False,
                "prefix": _PREFIX,
                "credentials": str(secrets),
                "place": "BE",
            }
        }
        return _measured(directory, store, objects, _minio(server), members, repeats)


def _measured(
    directory: Path,
    name: str,
    objects: ObjectStore,
    bare: tuple[Callable[[Path], None], Callable[[], None]],
    members: dict[str, Any],
    repeats: int,
    forget: Callable[[], None] = lambda: None,
) -> list[Transfer]:
    """`forget` is called before each read: what is read is then no more in the machine's memory."""
    source = directory / "source"
    size = source.stat().st_size / _MB
    vault = Vault(objects, FileKeyStore(directory / "keys"), _NoMaster())
    key = DocumentKey(DocumentKey.new_octets())
    number = 0

    def put() -> None:
        nonlocal number
        number += 1
        asyncio.run(vault.put(key, f"bench/o{number}", source))

    async def read() -> None:
        with await vault.open(key, f"bench/o{number}") as stream:
            while stream.read(_CHUNK):
                pass

    put_bare, get_bare = bare
    ours_up, bare_up, ours_down, bare_down = [], [], [], []
    for _ in range(repeats):
        ours_up.append(_seconds(put))
        bare_up.append(_seconds(lambda: put_bare(source)))
        forget()
        ours_down.append(_seconds(lambda: asyncio.run(read())))
        forget()
        bare_down.append(_seconds(get_bare))
    up, down, grown_up, grown_down, resident = _through_http(directory, source, members, repeats)
    return [
        Transfer(name, "upload", size / min(ours_up), size / min(bare_up), size / up, grown_up, resident),
        Transfer(name, "download", size / min(ours_down), size / min(bare_down), size / down, grown_down, resident),
    ]


def _through_http(
    directory: Path, source: Path, members: dict[str, Any], repeats: int
) -> tuple[float, float, float, float, float]:
    """Return the best times up and down, how much the web process grew at each, and its largest size."""
    folder = directory / "gateway"
    folder.mkdir()
    limits = {"inspection_wait_seconds": 0.0, "document_bytes": 200 * _MB}
    with Gateway(folder, limits=limits, **members) as gateway:
        gateway.worker.stop()
        assert gateway.web.running is not None
        pid = gateway.web.running.pid
        gateway.account.upload(b"%PDF-1.7 warm", "warm")
        gateway.account.api.get("/v1/documents/warm/content")
        idle = _memory(pid, "VmRSS")
        _reset_peak(pid)
        ups = [_seconds(partial(_upload, gateway, source, f"large-{number}")) for number in range(repeats)]
        peak_up = _memory(pid, "VmHWM")
        _reset_peak(pid)
        downs = [_seconds(partial(_download, gateway, source, f"large-{number}")) for number in range(repeats)]
        peak_down = _memory(pid, "VmHWM")
    return min(ups), min(downs), peak_up - idle, peak_down - idle, max(peak_up, peak_down)


def _upload(gateway: Gateway, source: Path, document_id: str) -> None:
    with source.open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
        file.seek(0)
        headers = {
            "Content-Type": "application/pdf",
            "Content-Digest": f"sha-256=:{digest}:",
            "Content-Disposition": named("large.pdf"),
            "Content-Length": str(source.stat().st_size),
        }
        with _connection(gateway) as (connection, auth):
            connection.request("PUT", f"/v1/documents/{document_id}", file, headers | auth)
            answer = connection.getresponse()
            if answer.status != 202:
                raise RuntimeError(answer.read().decode())
            answer.read()


def _download(gateway: Gateway, source: Path, document_id: str) -> None:
    with _connection(gateway) as (connection, auth):
        connection.request("GET", f"/v1/documents/{document_id}/content", headers=auth)
        answer, size = connection.getresponse(), 0
        while piece := answer.read(_CHUNK):
            size += len(piece)
    if size != source.stat().st_size:
        raise RuntimeError(f"{size} octets came")


@contextmanager
def _connection(gateway: Gateway) -> Iterator[tuple[http.client.HTTPConnection, dict[str, str]]]:
    credentials = base64.b64encode(f"{gateway.account.client_id}:{gateway.account.secret}".encode()).decode()
    connection = http.client.HTTPConnection("localhost", gateway.port, timeout=60, blocksize=_CHUNK)
    try:
        yield connection, {"Authorization": f"Basic {credentials}"}
    finally:
        connection.close()


def _copies(directory: Path) -> tuple[Callable[[Path], None], Callable[[], None]]:
    copy = directory / "copy"

    def put(source: Path) -> None:
        copy.unlink(missing_ok=True)
        with source.open("rb") as octets, copy.open("xb") as file:
            shutil.copyfileobj(octets, file, _MB)
            file.flush()
            os.fsync(file.fileno())

    def get() -> None:
        with copy.open("rb") as file:
            while file.read(_CHUNK):
                pass

    return put, get


def _forget(directory: Path) -> None:
    """Have the kernel drop what it keeps of the files in a directory."""
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _minio(server: Seaweed) -> tuple[Callable[[Path], None], Callable[[], None]]:
    endpoint = _endpoint(server)
    client = Minio(
        endpoint=endpoint.host,
        access_key=server.admin.access_key,
        secret_key=server.admin.secret_key,
        secure=False,
        region="us-east-1",
    )
    client.make_bucket(bucket_name="bare")

    def put(source: Path) -> None:
        client.fput_object(bucket_name="bare", object_name="object", file_path=str(source))

    def get() -> None:
        answer = client.get_object(bucket_name="bare", object_name="object")
        try:
            while answer.read(_CHUNK):
                pass
        finally:
            answer.close()
            answer.release_conn()

    return put, get


def _endpoint(server: Seaweed) -> S3Endpoint:
    return server.endpoint


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _memory(pid: int, member: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{member}:"))


def _reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
