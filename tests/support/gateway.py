"""The gateway as it runs: web and worker over the demo PKI, a client of its API, and a signer without a browser."""

import asyncio
import base64
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_pki.__main__ import timestamping_application
from deploy.demo_pki.pki import DemoPki, Entity, choose_base_url
from deploy.demo_pki.server import DemoPkiApp, DemoServer
from fts.audit.service import Event, trail
from fts.configuration import load
from fts.db.database import Database
from fts.keyring import Keyring
from timestamping.clock import utc_now

ENDED = ("completed", "declined", "cancelled", "failed", "expired")
RETURN_URL = "http://127.0.0.1:1/return"
PLENTY = {"per_minute": 1_000_000, "burst": 1_000_000, "per_day": 1_000_000}
"""Capacity that no test reaches by accident."""
_READY_SECONDS = 60.0
_END_SECONDS = 60.0


@dataclass
class Account:
    """A relying party's account at a gateway, and its API."""

    client_id: str
    secret: str
    webhook_secret: str
    api: httpx.Client

    def upload(
        self,
        data: bytes,
        document_id: str | None = None,
        name: str = "contract.pdf",
        media_type: str = "application/pdf",
    ) -> httpx.Response:
        """Send a document."""
        document_id = document_id or secrets.token_hex(8)
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        return self.api.put(
            f"/v1/documents/{document_id}",
            content=data,
            headers={
                "content-type": media_type,
                "content-digest": f"sha-256=:{digest}:",
                "content-disposition": named(name),
            },
        )

    def order(self, document_id: str, **more: Any) -> httpx.Response:
        """Ask for a signing."""
        headers = {"idempotency-key": more.pop("key")} if "key" in more else {}
        return self.api.post(
            "/v1/signings", json={"document": document_id, "return_url": RETURN_URL, **more}, headers=headers
        )

    def signing(self, signing_id: str) -> dict[str, Any]:
        """Read a signing."""
        answer = self.api.get(f"/v1/signings/{signing_id}")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def new_signing(self, data: bytes, **more: Any) -> dict[str, Any]:
        """Upload a document and ask for its signing."""
        uploaded = self.upload(data)
        uploaded.raise_for_status()
        created = self.order(uploaded.json()["id"], **more)
        created.raise_for_status()
        found: dict[str, Any] = created.json()
        return found

    def ended(self, signing_id: str, seconds: float = _END_SECONDS) -> dict[str, Any]:
        """Wait for the end of a signing."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(httpx.TransportError):
                found = self.signing(signing_id)
                if found["state"] in ENDED:
                    return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"the signing has not ended within {seconds:g} s")
            time.sleep(0.02)


class Browser:
    """What the signing page does, without a browser: one session with one signing."""

    def __init__(self, base: str, signing_url: str) -> None:
        self.http = httpx.Client(base_url=base, headers={"origin": base}, timeout=30)
        path, _, self.secret = signing_url.partition("#")
        self.path = path.removeprefix(base)

    def open(self) -> httpx.Response:
        """Open the session."""
        return self.post("session", {"secret": self.secret})

    def post(self, what: str, body: dict[str, Any]) -> httpx.Response:
        """Call the page's interface."""
        return self.http.post(f"{self.path}/{what}", json=body)

    def state(self, after: int = 0) -> dict[str, Any]:
        """Ask for the state."""
        answer = self.http.get(f"{self.path}/state", params={"after": after})
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def wait(self, *states: str, seconds: float = _END_SECONDS) -> dict[str, Any]:
        """Wait for one of the states."""
        deadline, after = time.monotonic() + seconds, 0
        while True:
            with suppress(httpx.TransportError):
                found = self.state(after)
                if found["state"] in states:
                    return found
                after = found["version"]
            if time.monotonic() > deadline:
                raise TimeoutError(f"none of {states} within {seconds:g} s")

    def give_certificate(self, signer: Entity) -> httpx.Response:
        """Give the signer's certificate with its issuers."""
        chain = [_text(issuer.public_bytes(Encoding.DER)) for issuer in signer.chain]
        certificate = _text(signer.certificate.public_bytes(Encoding.DER))
        return self.post("certificate", {"certificate": certificate, "chain": chain})

    def give_value(self, signer: Entity, digest: str) -> httpx.Response:
        """Sign the digest as a card does and give the value."""
        value = sign_digest(signer, base64.b64decode(digest))
        return self.post("signature", {"digest": digest, "signature": _text(value)})

    def sign(self, signer: Entity) -> dict[str, Any]:
        """Go through all of it and return the state at the end."""
        self.open().raise_for_status()
        self.give_certificate(signer).raise_for_status()
        prepared = self.wait("prepared", "opened", *ENDED)
        if prepared["state"] != "prepared":
            return prepared
        self.give_value(signer, prepared["digest"]).raise_for_status()
        return self.wait(*ENDED)


def named(name: str) -> str:
    """Return the Content-Disposition of a file's name."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


def sign_digest(signer: Entity, digest: bytes) -> bytes:
    """Sign a SHA-256 digest with a signer's software key."""
    key = signer.key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256())))
    return key.sign(digest, padding.PKCS1v15(), utils.Prehashed(SHA256()))


@dataclass
class Process:
    """One of the gateway's processes."""

    arguments: list[str]
    ready: str
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log.open("ab") as log:
            log.write(b"--- start\n")
            log.flush()
            before = self.log.stat().st_size
            self.running = subprocess.Popen(
                [sys.executable, *self.arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
            )
        deadline = time.monotonic() + _READY_SECONDS
        while self.ready.encode() not in self.log.read_bytes()[before:]:
            if self.running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.arguments} did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without a chance to clean up."""
        assert self.running is not None
        self.running.kill()
        self.running.wait()

    def stop(self) -> int:
        """Ask it to end."""
        if self.running is None:
            return 0
        if self.running.poll() is None:
            self.running.send_signal(signal.SIGTERM)
        return self.running.wait(timeout=15)


class Gateway:
    """A gateway of its own in `directory`: a context manager."""

    def __init__(self, directory: Path, **configuration: Any) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.config = directory / "gateway.toml"
        self.clients = directory / "clients"
        self.configuration = configuration
        self._browsers: list[Browser] = []
        self._accounts: list[Account] = []
        arguments = ["-m", "fts.cli"]
        self.web = Process(
            [*arguments, "web", "--config", str(self.config), "--port", str(self.port)],
            "web ready",
            directory / "web.log",
        )
        self.worker = Process(
            [*arguments, "worker", "--config", str(self.config)], "worker ready", directory / "worker.log"
        )
        self.sequencer = Process(
            [*arguments, "sequencer", "--config", str(self.config)], "sequencer ready", directory / "sequencer.log"
        )

    def __enter__(self) -> Self:
        self.pki = DemoPki.create(self.directory / "pki", base_url=choose_base_url())
        self.faulty = DemoPkiApp(self.pki, timestamping=timestamping_application(self.pki))
        port = int(self.pki.base_url.rpartition(":")[2])
        self._server = DemoServer(self.faulty, port=port)
        self._server.__enter__()
        root = self.directory / "root.pem"
        root.write_bytes(self.pki.root.certificate.public_bytes(Encoding.PEM))
        self.write()
        self.command("migrate")
        self.migrated()
        try:
            with ThreadPoolExecutor() as pool:
                for started in [pool.submit(process.start) for process in (self.web, self.worker, self.sequencer)]:
                    started.result()
            self.account = self.register("town")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close_browsers()
        for account in self._accounts:
            account.api.close()
        for process in (self.web, self.worker, self.sequencer):
            process.stop()
        self._server.__exit__(None, None, None)

    def migrated(self) -> None:
        """Do what comes between the migration and the start of the processes."""

    @property
    def signer(self) -> Entity:
        """The citizen who signs, with a key as on the current card."""
        return self.pki.signers["p384"]

    def command(self, *arguments: str) -> str:
        """Run one of the gateway's commands."""
        command = [sys.executable, "-m", "fts.cli", *arguments, "--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stderr}")
        return done.stdout

    def register(self, client_id: str, **more: Any) -> Account:
        """Register a relying party; `more` are members of its file."""
        self.define(client_id, **more)
        made = json.loads(self.command("clients", "apply", str(self.clients), "--yes"))
        api = httpx.Client(base_url=self.url, auth=(made["client_id"], made["secret"]), timeout=30)
        self._accounts.append(Account(made["client_id"], made["secret"], made["webhook_secret"], api))
        return self._accounts[-1]

    def define(self, client_id: str, **more: Any) -> None:
        """Write a client's file."""
        write_client(self.clients, client_id, **more)

    def browser(self, signing: dict[str, Any]) -> Browser:
        """Return a browser that has a signing's link."""
        return self.browser_at(signing["signing_url"])

    def browser_at(self, url: str) -> Browser:
        """Return a browser that has a link."""
        self._browsers.append(Browser(self.url, url))
        return self._browsers[-1]

    def close_browsers(self) -> None:
        """Close all browsers."""
        for browser in self._browsers:
            browser.http.close()
        self._browsers.clear()

    def trail(self, signing_id: str) -> list[Event]:
        """Return the events of a signing and its document."""
        return self._trail(signing_id=signing_id)

    def document_trail(self, document_id: str) -> list[Event]:
        """Return the events of a document of the account."""
        return self._trail(client_id=self.account.client_id, document_id=document_id)

    def _trail(self, **about: str) -> list[Event]:
        async def read() -> list[Event]:
            keyring = Keyring.from_file(self.directory / "master.key")
            database = Database(load(self.config).database_url("operator"), utc_now, keyring)
            try:
                return await trail(database, keyring, **about)
            finally:
                await database.close()

        return asyncio.run(read())

    @contextmanager
    def fault(self, path: str, fault: Any) -> Iterator[None]:
        """Break one of the trust services for a while."""
        self.faulty.faults[path] = fault
        try:
            yield
        finally:
            self.faulty.faults.pop(path, None)

    def write(self) -> None:
        """Write the configuration."""
        values: dict[str, Any] = {
            "environment": "TA",
            "operator": "Test operator",
            "public_url": self.url,
            "data": "data",
            "master_key": "master.key",
            "trust_anchors": "root.pem",
            "tsa_url": f"{self.pki.base_url}/tsa",
            "allowed_urls": [self.pki.base_url],
            **{name: value for name, value in self.configuration.items() if not isinstance(value, dict)},
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        for table, members in self.configuration.items():
            if isinstance(members, dict):
                lines += [f"[{table}]", *(f"{name} = {_toml(value)}" for name, value in members.items())]
        self.config.write_text("\n".join(lines) + "\n")


def free_port() -> int:
    """Return a port on the loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def write_client(folder: Path, client_id: str, **more: Any) -> Path:
    """Write the file of a client with plenty of capacity; `more` are further members."""
    members: dict[str, Any] = {
        "id": client_id,
        "name": f"Town of {client_id}",
        "help_address": "mailto:help@town.example",
        "contacts": [{"name": "Duty officer", "mail": f"security@{client_id}.example", "role": "security"}],
        "bucket": client_id,
        "agreement": "FTS-2026-001",
        "agreed_on": "2026-01-15",
        "return_urls": [RETURN_URL],
        "profiles": ["PADES_LTA", "PADES_LT", "PADES_T", "PADES_B"],
        "capacity": dict.fromkeys(("upload", "sign", "timestamp", "download", "read", "custody"), PLENTY),
        **more,
    }
    folder.mkdir(exist_ok=True)
    path = folder / f"{client_id}.toml"
    path.write_text("\n".join(f"{name} = {_toml(value)}" for name, value in members.items()))
    return path


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(member) for member in value) + "]"
    return json.dumps(value)


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
