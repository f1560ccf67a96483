"""How an S3 server is reached: connections, answers that stream, and failures."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from minio import Minio
from minio.error import MinioException, S3Error
from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from storage.ports import ObjectMissingError, StorageError
from storage.s3_settings import S3Credentials, S3Endpoint

FAILURES: Final = (MinioException, HTTPError, OSError, ParseError, ValueError)
"""What the client raises; the last two where the answer is none of an S3 server."""

_MISSING: Final = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion"}
_CODE: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_CONNECTIONS: Final = 32
_FREE_CONNECTION_SECONDS: Final = 60
_TIMEOUT: Final = Timeout(connect=5, read=60)
_RETRY: Final = Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504], raise_on_status=False)


class Pool(PoolManager):
    """Connections to one server: so many at most, none longer than its time, and none to where it redirects."""

    def __init__(self, endpoint: S3Endpoint) -> None:
        trusted: dict[str, Any] = {"ca_certs": str(endpoint.ca_file)} if endpoint.ca_file else {}
        super().__init__(
            num_pools=2,
            maxsize=_CONNECTIONS,
            block=True,
            timeout=_TIMEOUT,
            retries=_RETRY,
            cert_reqs="CERT_REQUIRED",
            **trusted,
        )

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> BaseHTTPResponse:
        """See `PoolManager.urlopen`."""
        return super().urlopen(method, url, redirect=False, pool_timeout=_FREE_CONNECTION_SECONDS, **kw)


def new_client(endpoint: S3Endpoint, credentials: S3Credentials, pool: PoolManager) -> Minio:
    """Return a client; when it is collected it closes the connections of the pool that are idle."""
    return Minio(
        endpoint.host,
        access_key=credentials.access_key,
        secret_key=credentials.secret_key,
        secure=endpoint.secure,
        region=endpoint.region,
        http_client=pool,
    )


class Reader(io.RawIOBase):
    """The body of an answer; the connection is given back on closing."""

    def __init__(self, response: BaseHTTPResponse, name: str) -> None:
        super().__init__()
        self._response = response
        self._name = name
        self._left = _length(response)
        if self._left is None:
            self.close()
            raise StorageError(f"{name} cannot be read: the server does not say how long it is")

    def readable(self) -> bool:
        """See `io.RawIOBase.readable`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase.readinto`.

        Raises:
            StorageError: the connection failed, or fewer octets came than were announced.
        """
        with failures(f"{self._name} cannot be read"):
            octets = self._response.read(len(buffer), decode_content=False)
        self._left = (self._left or 0) - len(octets)
        if self._left < 0 or (self._left and buffer and not octets):
            raise StorageError(f"{self._name} cannot be read: the server sent another length than it announced")
        buffer[: len(octets)] = octets
        return len(octets)

    def close(self) -> None:
        """See `io.RawIOBase.close`."""
        if not self.closed:
            self._response.close()
            self._response.release_conn()
        super().close()


def _length(response: BaseHTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdecimal() else None


def refused(error: Exception) -> bool:
    """Whether the server answered that it will not do this, and so did not."""
    return isinstance(error, S3Error) and 400 <= error.response.status < 500


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Raise what the client raises as a `StorageError`, or `ObjectMissingError`, that begins with `what`."""
    try:
        yield
    except S3Error as error:
        kind = ObjectMissingError if error.code in _MISSING else StorageError
        raise kind(f"{what}: the server answered {code_of(error)}") from error
    except MinioException as error:
        raise StorageError(f"{what}: the server gave no proper answer") from error
    except HTTPError as error:
        reason = getattr(error, "reason", None) or error
        raise StorageError(f"{what}: the server cannot be reached: {type(reason).__name__}") from error
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror or type(error).__name__}") from error
    except (ParseError, ValueError) as error:
        raise StorageError(f"{what}: the server gave no proper answer") from error


def code_of(error: S3Error) -> str:
    """Return the server's code of an error, fit for a log."""
    code = error.code or ""
    return code if _CODE.fullmatch(code) else f"status {error.response.status}"
