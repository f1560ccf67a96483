"""A throw-away SeaweedFS from PyPI: a real S3 server with a credential for each bucket."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minio import Minio
from minio.error import MinioException
from urllib3 import PoolManager, Retry
from urllib3.exceptions import HTTPError

from storage.s3_settings import S3Credentials, S3Endpoint

_READY_SECONDS = 60.0
_ACTIONS = ("Read", "Write", "List", "Tagging")


@dataclass(frozen=True)
class Seaweed:
    """A running server."""

    endpoint: S3Endpoint
    admin: S3Credentials
    """May do everything."""
    buckets: dict[str, S3Credentials]
    """One credential for each bucket."""


@contextmanager
def seaweed(directory: Path, buckets: tuple[str, ...] = ()) -> Iterator[Seaweed]:
    """Run a server until the end, with `buckets` and a credential for each."""
    data = directory / "data"
    data.mkdir(parents=True)
    admin, own = _credentials(), {bucket: _credentials() for bucket in buckets}
    identities = [_identity("admin", admin, ["Admin"])]
    identities += [
        _identity(bucket, found, [f"{action}:{bucket}" for action in _ACTIONS]) for bucket, found in own.items()
    ]
    secrets_file = directory / "s3.json"
    secrets_file.touch(mode=0o600)
    secrets_file.write_text(json.dumps({"identities": identities}))
    ports = dict(zip(("s3", "master", "volume", "filer"), _free_ports(), strict=True))
    command = [
        *(str(Path(sys.executable).parent / "weed"), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-filer", "-filer.disableHttp", "-s3", f"-s3.config={secrets_file}", "-s3.port.iceberg=0"),
        *("-s3.port.lance=0", "-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=300"),
        *(f"-{part}.port={port}" for part, port in ports.items()),
    ]
    environment = {**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    with (directory / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        server = Seaweed(S3Endpoint(f"127.0.0.1:{ports['s3']}", secure=False, region="us-east-1"), admin, own)
        _wait(server, process, directory / "weed.log")
        for bucket in buckets:
            client_of(server).make_bucket(bucket_name=bucket)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _remove_sockets(ports.values())


def client_of(server: Seaweed, credentials: S3Credentials | None = None) -> Minio:
    """Return a plain client of the server, by default the administrator's."""
    used = credentials or server.admin
    return Minio(
        endpoint=server.endpoint.host,
        access_key=used.access_key,
        secret_key=used.secret_key,
        secure=False,
        region=server.endpoint.region,
        http_client=PoolManager(retries=Retry(total=0)),
    )


def _remove_sockets(ports: Iterable[int]) -> None:
    """Remove the sockets that the server keeps in /tmp under the numbers of its ports, whatever TMPDIR says."""
    for port in ports:
        for number in (port, port + 10_000):
            for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108 - the server's own place
                left.unlink()


def _wait(server: Seaweed, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline, made = time.monotonic() + _READY_SECONDS, False
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"SeaweedFS did not start:\n{log.read_text(errors='replace')[-2000:]}")
        try:
            client = client_of(server)
            if not made:
                client.make_bucket(bucket_name="is-ready")
                made = True
            client.remove_bucket(bucket_name="is-ready")
        except (MinioException, HTTPError, OSError):
            time.sleep(0.1)
        else:
            return


def _credentials() -> S3Credentials:
    return S3Credentials(secrets.token_hex(10).upper(), secrets.token_hex(20))


def _identity(name: str, credentials: S3Credentials, actions: list[str]) -> dict[str, object]:
    keys = [{"accessKey": credentials.access_key, "secretKey": credentials.secret_key}]
    return {"name": name, "credentials": keys, "actions": actions}


def _free_ports() -> list[int]:
    """Return four free ports below 50,000: each server listens at the port plus 10,000, too."""
    found: list[int] = []
    while len(found) < 4:
        port = 20_000 + secrets.randbelow(20_000)
        with contextlib.ExitStack() as probes:
            try:
                for number in (port, port + 10_000):
                    probes.enter_context(socket.create_server(("127.0.0.1", number)))
            except OSError:
                continue
        if all(abs(port - other) not in (0, 10_000) for other in found):
            found.append(port)
    return found
