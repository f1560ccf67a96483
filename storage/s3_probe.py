"""What an S3 server really enforces: asked of it with an object that is put, attacked and deleted."""

import base64
import hashlib
import io
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from minio import Minio
from minio.commonconfig import CopySource
from minio.error import S3Error
from urllib3 import BaseHTTPResponse

from storage.ports import Finding
from storage.s3_connection import Pool, code_of, new_client, refused
from storage.s3_settings import S3Credentials, S3Endpoint

_OCTETS: Final = 1 << 16
_GONE: Final = 404


class Probe:
    """A probe of one bucket of the server, which must be there."""

    def __init__(
        self, endpoint: S3Endpoint, bucket: str, own: S3Credentials, other: tuple[str, S3Credentials] | None
    ) -> None:
        self._endpoint = endpoint
        self._bucket = bucket
        self._own = own
        self._other = other
        self._pool = Pool(endpoint)
        self._client = self._as(own)
        self._key = f"fts-probe-{secrets.token_hex(8)}"
        self._octets = secrets.token_bytes(_OCTETS)

    def findings(self) -> list[Finding]:
        """Return what was found; nothing is left in the bucket where the server deletes what it is told to delete.

        Raises:
            S3Error: the bucket's own credential was refused.
        """
        try:
            version = self._put(self._client)
            found = [self._comes_back(), *self._strangers(), self._damage()]
        finally:
            left = self._delete()
        return [*found, self._gone(version), self._versions(left)]

    def _as(self, credentials: S3Credentials) -> Minio:
        return new_client(self._endpoint, credentials, self._pool)

    def _comes_back(self) -> Finding:
        same = self._get(self._client) == self._octets
        return Finding("what is put comes back", same, f"{_OCTETS} octets were put and read")

    def _strangers(self) -> Iterator[Finding]:
        scheme = "https" if self._endpoint.secure else "http"
        bucket = f"{scheme}://{self._endpoint.host}/{self._bucket}"
        for what, url in (("read", f"{bucket}/{self._key}"), ("list", f"{bucket}?list-type=2")):
            status = self._pool.urlopen("GET", url).status
            yield Finding(f"nobody can {what} without a credential", _is_refusal(status), f"the answer was {status}")
        wrong = self._as(S3Credentials(self._own.access_key, secrets.token_hex(20)))
        yield self._all_refused("a wrong secret is refused", "the wrong secret", wrong)
        if self._other is not None:
            name, credentials = self._other
            client = self._as(credentials)
            what = f"the credential of {name}"
            yield self._all_refused("the credential of another bucket is refused", what, client)
            if client.bucket_exists(bucket_name=name):
                yield self._no_copy(name, client)

    def _no_copy(self, elsewhere: str, client: Minio) -> Finding:
        """Try what reads with one bucket's right and writes with another's, and to add to an upload under way."""
        source = CopySource(bucket_name=self._bucket, object_name=self._key)
        upload_id = self._client._create_multipart_upload(self._bucket, self._key, {})
        attempts: dict[str, Callable[[], object]] = {
            "copying": lambda: client.copy_object(bucket_name=elsewhere, object_name=self._key, source=source),
            "adding a part": lambda: client._upload_part(
                bucket_name=self._bucket,
                object_name=self._key,
                data=b"x",
                headers={},
                upload_id=upload_id,
                part_number=1,
            ),
        }
        try:
            return _judged(
                "nothing is copied out of the bucket or added to an upload", f"the credential of {elsewhere}", attempts
            )
        finally:
            self._client._abort_multipart_upload(self._bucket, self._key, upload_id)
            client.remove_object(bucket_name=elsewhere, object_name=self._key)

    def _all_refused(self, what: str, who: str, client: Minio) -> Finding:
        attempts: dict[str, Callable[[], object]] = {
            "reading": lambda: self._get(client),
            "listing": lambda: list(client.list_objects(bucket_name=self._bucket, prefix=self._key)),
            "writing": lambda: self._put(client),
            "deleting": lambda: client.remove_object(bucket_name=self._bucket, object_name=self._key),
        }
        finding = _judged(what, who, attempts)
        if not finding.holds:  # what is tried next needs the object
            self._put(self._client)
        return finding

    def _damage(self) -> Finding:
        url = self._client.get_presigned_url("PUT", self._bucket, self._key, expires=timedelta(minutes=5))
        digest = base64.b64encode(hashlib.md5(b"other octets", usedforsecurity=False).digest()).decode()
        status = self._pool.urlopen("PUT", url, body=b"octets", headers={"Content-MD5": digest}).status
        unchanged = self._get(self._client) == self._octets
        detail = f"the answer to a wrong Content-MD5 was {status}" + ("" if unchanged else "; the octets were stored")
        return Finding("octets damaged on the way are refused", _is_refusal(status) and unchanged, detail)

    def _gone(self, version: str | None) -> Finding:
        answers = {"name": self._missing(None)}
        if version:
            answers["version"] = self._missing(version)
        detail = ", ".join(f"by its {by}: {'gone' if gone else 'still there'}" for by, gone in answers.items())
        return Finding("what is deleted is gone", all(answers.values()), detail)

    def _versions(self, left: int) -> Finding:
        try:
            status = self._client.get_bucket_versioning(bucket_name=self._bucket).status or "off"
        except S3Error as error:
            status = f"unknown ({code_of(error)})"
        detail = f"versioning is {status.lower()}; {left} versions were left after deletion"
        return Finding("no versions are kept", left == 0 and status.lower() == "off", detail)

    def _put(self, client: Minio) -> str | None:
        octets = io.BytesIO(self._octets)
        result = client.put_object(bucket_name=self._bucket, object_name=self._key, data=octets, length=_OCTETS)
        return result.version_id

    def _get(self, client: Minio, version: str | None = None) -> bytes:
        with _closed(
            client.get_object(bucket_name=self._bucket, object_name=self._key, version_id=version)
        ) as response:
            return response.read(_OCTETS + 1)

    def _missing(self, version: str | None) -> bool:
        try:
            self._get(self._client, version)
        except S3Error as error:
            if error.response.status != _GONE:
                raise
            return True
        return False

    def _delete(self) -> int:
        for found in self._listed():
            self._client.remove_object(
                bucket_name=self._bucket, object_name=found.object_name, version_id=found.version_id
            )
        return len(self._listed())

    def _listed(self) -> list[Any]:
        return list(self._client.list_objects(bucket_name=self._bucket, prefix=self._key, include_version=True))


def _judged(what: str, who: str, attempts: Mapping[str, Callable[[], object]]) -> Finding:
    answers = {attempt: _refusal(call) for attempt, call in attempts.items()}
    detail = ", ".join(f"{attempt} {answer or 'was possible'}" for attempt, answer in answers.items())
    return Finding(what, all(answers.values()), f"with {who}: {detail}")


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500


def _refusal(call: Callable[[], object]) -> str | None:
    try:
        call()
    except S3Error as error:
        if not refused(error):
            raise
        return f"was answered with {code_of(error)}"
    return None


@contextmanager
def _closed(response: BaseHTTPResponse) -> Iterator[BaseHTTPResponse]:
    try:
        yield response
    finally:
        response.close()
        response.release_conn()
