"""Objects on an S3 server, in a bucket and with a credential for each client."""

import asyncio
import io
import itertools
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from minio import Minio
from minio.datatypes import Upload
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from storage.ports import Finding, ObjectMissingError, StorageError, Stored
from storage.s3_connection import Pool, Reader, failures, new_client, refused
from storage.s3_probe import Probe
from storage.s3_settings import S3Credentials, S3Endpoint

__all__ = ["CHECK_BUCKET", "S3Store"]

CHECK_BUCKET: Final = "fts-check"
"""Holds what `S3Store.check` writes; its credential also asks the server for its buckets."""

_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_BUCKET_LENGTHS: Final = range(3, 64)
_OBJECT: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PART: Final = 5 << 20
"""Octets of a part, the least that S3 takes."""
_PARALLEL: Final = 2
"""Parts that are sent at a time."""
_BUFFER: Final = 1 << 18
_PAGE: Final = 1000


class S3Store:
    """An `ObjectStore` on an S3 server; the bucket there has the name `prefix` and then the bucket's.

    `buckets` gives the buckets that are meant by "all". Without it the server is asked for those that begin with the
    prefix, so that one is needed: a bucket without it may be another's.
    """

    def __init__(
        self,
        endpoint: S3Endpoint,
        credentials: Callable[[str], S3Credentials],
        prefix: str = "",
        buckets: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._prefix = prefix
        self._known = buckets
        self._pool = Pool(endpoint)
        self._clients: dict[str, Minio] = {}

    async def put(self, name: str, source: Path) -> None:
        """See `ObjectStore.put`; where it is unknown whether the server has the object, it is deleted again."""
        bucket, key = self._parts(name)
        await asyncio.to_thread(self._put, bucket, key, source)

    async def open(self, name: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        bucket, key = self._parts(name)
        return await asyncio.to_thread(self._open, bucket, key)

    async def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        bucket, key = self._parts(name)
        await asyncio.to_thread(self._delete, bucket, key)

    async def check(self) -> None:
        """See `ObjectStore.check`."""
        await asyncio.to_thread(self._check)

    async def probe(self, bucket: str) -> list[Finding]:
        """See `ObjectStore.probe`."""
        self._s3_bucket(bucket)
        return await asyncio.to_thread(self._probe, bucket)

    async def listing(self, bucket: str | None = None) -> AsyncIterator[Stored]:
        """See `ObjectStore.listing`; every version is listed, and a delete marker as an object of no octets."""
        failure = None
        for each in [bucket] if bucket is not None else await asyncio.to_thread(self._buckets):
            stored = self._stored(each)
            try:
                while page := await asyncio.to_thread(_page, stored):
                    for item in page:
                        yield item
            except StorageError as error:
                failure = error
        if failure is not None:
            raise failure

    async def discard_unfinished(self, before: datetime) -> int:
        """See `ObjectStore.discard_unfinished`."""
        return await asyncio.to_thread(self._discard_everywhere, before)

    async def remove_bucket(self, bucket: str) -> None:
        """See `ObjectStore.remove_bucket`."""
        self._s3_bucket(bucket)
        await asyncio.to_thread(self._remove, bucket)

    def _s3_bucket(self, bucket: str) -> str:
        name = self._prefix + bucket
        if not _BUCKET.fullmatch(bucket) or len(name) not in _BUCKET_LENGTHS:
            raise ValueError(f"{bucket[:200]!r} is no name of a bucket")
        return name

    def _parts(self, name: str) -> tuple[str, str]:
        bucket, _, key = name.partition("/")
        try:
            self._s3_bucket(bucket)
        except ValueError as error:
            raise ValueError(f"{name[:200]!r} is no name of an object") from error
        if not _OBJECT.fullmatch(key):
            raise ValueError(f"{name[:200]!r} is no name of an object")
        return bucket, key

    def _client(self, bucket: str) -> Minio:
        client = self._clients.get(bucket)
        if client is None:
            client = new_client(self._endpoint, self._credentials(bucket), self._pool)
            self._clients[bucket] = client
        return client

    def _put(self, bucket: str, key: str, source: Path) -> None:
        with failures(f"{bucket}/{key} cannot be stored"):
            try:
                self._upload(bucket, key, source)
            except S3Error as error:
                if error.code != "NoSuchBucket":
                    raise
                self._make(bucket)
                self._upload(bucket, key, source)

    def _upload(self, bucket: str, key: str, source: Path) -> None:
        try:
            result = self._client(bucket).fput_object(
                bucket_name=self._s3_bucket(bucket),
                object_name=key,
                file_path=str(source),
                part_size=_PART,
                num_parallel_uploads=_PARALLEL,
            )
            if not result.etag:
                raise ValueError("the server does not say what it stored")
        except (MinioException, HTTPError, SyntaxError, ValueError) as error:
            if not refused(error):
                with suppress(StorageError):
                    self._delete(bucket, key)
            raise

    def _make(self, bucket: str) -> None:
        try:
            self._client(bucket).make_bucket(bucket_name=self._s3_bucket(bucket))
        except S3Error as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise

    def _open(self, bucket: str, key: str) -> BinaryIO:
        with failures(f"{bucket}/{key} cannot be read"):
            response = self._client(bucket).get_object(bucket_name=self._s3_bucket(bucket), object_name=key)
            return io.BufferedReader(Reader(response, f"{bucket}/{key}"), _BUFFER)

    def _delete(self, bucket: str, key: str) -> None:
        with suppress(ObjectMissingError), failures(f"{bucket}/{key} cannot be deleted"):
            self._delete_versions(bucket, key)

    def _delete_versions(self, bucket: str, key: str = "") -> None:
        """Delete all versions and delete markers of one object, or of every object."""
        client, name = self._client(bucket), self._s3_bucket(bucket)
        for found in client.list_objects(bucket_name=name, prefix=key, recursive=True, include_version=True):
            if key in {"", found.object_name}:
                client.remove_object(bucket_name=name, object_name=found.object_name, version_id=found.version_id)

    def _check(self) -> None:
        octets, key = secrets.token_bytes(32), f"check-{secrets.token_hex(8)}"
        with tempfile.NamedTemporaryFile() as source:
            source.write(octets)
            source.flush()
            self._put(CHECK_BUCKET, key, Path(source.name))
        try:
            with self._open(CHECK_BUCKET, key) as file:
                if file.read() != octets:
                    raise StorageError("the store does not give back what was written")
        finally:
            self._delete(CHECK_BUCKET, key)

    def _probe(self, bucket: str) -> list[Finding]:
        own = self._credentials(bucket)
        others = {each: self._credentials(each) for each in [*(self._known() if self._known else ()), CHECK_BUCKET]}
        other = next(((self._s3_bucket(name), found) for name, found in others.items() if found != own), None)
        with failures(f"the bucket {bucket} cannot be probed"):
            if not self._client(bucket).bucket_exists(bucket_name=self._s3_bucket(bucket)):
                self._make(bucket)
            return Probe(self._endpoint, self._s3_bucket(bucket), own, other).findings()

    def _buckets(self) -> list[str]:
        if self._known is not None:
            return sorted(self._known())
        if not self._prefix:
            raise StorageError("the buckets of the gateway are unknown: the store needs a prefix, or their names")
        with failures("the buckets cannot be listed"):
            names = [bucket.name for bucket in self._client(CHECK_BUCKET).list_buckets()]
        own = [name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)]
        return sorted(bucket for bucket in own if _BUCKET.fullmatch(bucket))

    def _stored(self, bucket: str) -> Iterator[Stored]:
        name = self._s3_bucket(bucket)
        with suppress(ObjectMissingError), failures(f"the bucket {bucket} cannot be listed"):
            for found in self._client(bucket).list_objects(bucket_name=name, recursive=True, include_version=True):
                if _OBJECT.fullmatch(found.object_name):
                    modified = found.last_modified or datetime.now(UTC)
                    yield Stored(f"{bucket}/{found.object_name}", found.size or 0, modified)

    def _discard_everywhere(self, before: datetime) -> int:
        discarded, failure = 0, None
        for bucket in self._buckets():
            try:
                with suppress(ObjectMissingError), failures(f"unfinished uploads to {bucket} cannot be removed"):
                    discarded += self._discard(bucket, before)
            except StorageError as error:
                failure = error
        if failure is not None:
            raise failure
        return discarded

    def _discard(self, bucket: str, before: datetime | None) -> int:
        client, name = self._client(bucket), self._s3_bucket(bucket)
        discarded = 0
        for upload in list(_unfinished(client, name)):
            begun = upload.initiated_time
            if before is None or (begun is not None and begun < before):
                discarded += _aborted(client, name, upload)
        return discarded

    def _remove(self, bucket: str) -> None:
        with suppress(ObjectMissingError), failures(f"the bucket {bucket} cannot be removed"):
            self._delete_versions(bucket)
            self._discard(bucket, None)
            self._client(bucket).remove_bucket(bucket_name=self._s3_bucket(bucket))


def _page(stored: Iterator[Stored]) -> list[Stored]:
    return list(itertools.islice(stored, _PAGE))


def _aborted(client: Minio, bucket: str, upload: Upload) -> bool:
    """Abort an unfinished upload; return False where another process did, or the upload came to its end."""
    try:
        # The library has no public call for this.
        client._abort_multipart_upload(bucket, upload.object_name, upload.upload_id or "")
    except S3Error as error:
        if error.code != "NoSuchUpload":
            raise
        return False
    return True


def _unfinished(client: Minio, bucket: str) -> Iterator[Upload]:
    """Yield all unfinished uploads to a bucket, some perhaps twice."""
    marker: str | None = None
    while True:
        answer = client._list_multipart_uploads(bucket, key_marker=marker)
        yield from answer.uploads
        if not answer.is_truncated or not answer.next_key_marker or answer.next_key_marker == marker:
            return
        marker = answer.next_key_marker
