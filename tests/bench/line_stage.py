"""The stage of the line's benchmark: a demo PKI that measures itself, a gateway, each part in processes of its own.

`python -m tests.bench.line_stage DIR` serves a demo PKI until its standard input ends; each line there is answered with
what it has spent so far.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.demo_pki.__main__ import timestamping_application
from deploy.demo_pki.certificates import OCSP_PATH, TSA_PATH
from deploy.demo_pki.pki import DemoPki, choose_base_url
from deploy.demo_pki.server import DemoPkiApp, DemoServer
from tests.bench.scene import Scene
from tests.support.gateway import Process, write_client

_READY: Final = "ready"
_SIGNER: Final = "p384"


@dataclass
class Spent:
    """What one kind of request cost the trust services."""

    requests: int = 0
    seconds: float = 0.0

    def __sub__(self, earlier: "Spent") -> "Spent":
        return Spent(self.requests - earlier.requests, self.seconds - earlier.seconds)

    @property
    def mean(self) -> float:
        """Seconds of one request."""
        return self.seconds / self.requests if self.requests else 0.0


@dataclass
class TrustTime:
    """Time between the first and the last octet of a request inside the trust services, by kind."""

    timestamps: Spent = field(default_factory=Spent)
    ocsp: Spent = field(default_factory=Spent)
    others: Spent = field(default_factory=Spent)
    """CRLs and CA certificates."""

    def __sub__(self, earlier: "TrustTime") -> "TrustTime":
        return TrustTime(self.timestamps - earlier.timestamps, self.ocsp - earlier.ocsp, self.others - earlier.others)


class Meter:
    """Wraps the PKI's ASGI application and sums what its requests take."""

    def __init__(self, app: DemoPkiApp) -> None:
        self._app = app
        self.spent: dict[str, Spent] = {"timestamps": Spent(), "ocsp": Spent(), "others": Spent()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection's scope (ASGI 3)."""
        kind = {TSA_PATH: "timestamps", OCSP_PATH: "ocsp"}.get(scope.get("path", ""), "others")
        began = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["type"] == "http":
                self.spent[kind].requests += 1
                self.spent[kind].seconds += time.perf_counter() - began


@dataclass
class Stage:
    """Everything that is running, and how to use it."""

    directory: Path
    scene: Scene
    url: str
    client: tuple[str, str]
    """Id and secret of a relying party's account."""
    processes: dict[str, int]
    """Process ids: web, worker, trust services."""
    _pki: subprocess.Popen[str]

    def trust_time(self) -> TrustTime:
        """Ask the trust services what they have spent so far."""
        assert self._pki.stdin
        assert self._pki.stdout
        self._pki.stdin.write("\n")
        self._pki.stdin.flush()
        spent = json.loads(self._pki.stdout.readline())
        return TrustTime(**{kind: Spent(**values) for kind, values in spent.items()})


@contextmanager
def line_stage(directory: Path) -> Iterator[Stage]:
    """Start all of it; it is stopped at the end.

    Raises:
        RuntimeError: a part did not start.
    """
    pki = DemoPki.create(directory / "pki", base_url=choose_base_url())
    scene = _scene(directory, pki)
    command = [sys.executable, "-m", "tests.bench.line_stage", str(directory / "pki")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdin
            if not server.stdout or server.stdout.readline().strip() != _READY:
                raise RuntimeError("the demo PKI did not start")
            with _gateway(directory, scene) as (url, client, processes):
                processes["trust services"] = server.pid
                yield Stage(directory, scene, url, client, processes, server)
        finally:
            if server.stdin:
                server.stdin.close()


@contextmanager
def _gateway(directory: Path, scene: Scene) -> Iterator[tuple[str, tuple[str, str], dict[str, int]]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://localhost:{port}"
    config = directory / "gateway.toml"
    values = {
        "environment": "TA",
        "operator": "Benchmark",
        "public_url": url,
        "data": "data",
        "master_key": "master.key",
        "trust_anchors": scene.root,
        "tsa_url": scene.tsa_url,
        "allowed_urls": [scene.base_url],
    }
    config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    _command(config, "migrate")
    clients = directory / "clients"
    write_client(clients, "bench")
    made = json.loads(_command(config, "clients", "apply", str(clients), "--yes"))
    gateway = ["-m", "fts.cli"]
    web = Process([*gateway, "web", "--config", str(config), "--port", str(port)], "web ready", directory / "web.log")
    worker = Process([*gateway, "worker", "--config", str(config)], "worker ready", directory / "worker.log")
    try:
        web.start()
        worker.start()
        assert web.running
        assert worker.running
        yield url, (made["client_id"], made["secret"]), {"web": web.running.pid, "worker": worker.running.pid}
    finally:
        web.stop()
        worker.stop()


def _command(config: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "fts.cli", *arguments, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{arguments[0]}: {done.stderr}")
    return done.stdout


def _scene(directory: Path, pki: DemoPki) -> Scene:
    signer = pki.signers[_SIGNER]
    key = directory / "signer-key.pem"
    key.touch(mode=0o600)
    key.write_bytes(signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    chain = []
    for index, certificate in enumerate((signer.certificate, *signer.chain)):
        path = directory / f"chain-{index}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        chain.append(str(path))
    return Scene(str(key), tuple(chain), chain[-1], pki.base_url, pki.base_url + TSA_PATH)


def serve(directory: Path) -> None:
    """Serve the PKI of a directory until standard input ends; answer each line with what was spent."""
    pki = DemoPki.load(directory)
    meter = Meter(DemoPkiApp(pki, timestamping=timestamping_application(pki)))
    with DemoServer(meter, port=urlsplit(pki.base_url).port or 80):
        print(_READY, flush=True)
        for _line in sys.stdin:
            print(json.dumps({kind: vars(spent) for kind, spent in meter.spent.items()}), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
