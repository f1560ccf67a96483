"""The demo PKI over HTTP: a bare ASGI application, and a server that runs one in a thread."""

import asyncio
import socket
from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus

from deploy.demo_pki.asgi import (
    ASGIApp,
    BodyTooLargeError,
    ClientDisconnectedError,
    Receive,
    Scope,
    Send,
    read_body,
    respond,
)
from deploy.demo_pki.certificates import ISSUERS, OCSP_PATH, TSA_PATH, Issuer, certificate_path, crl_path
from deploy.demo_pki.faults import Fault, FaultKind, send_instead, send_truncated
from deploy.demo_pki.pki import DemoPki
from deploy.demo_pki.revocation import OcspResponder

__all__ = ["DemoPkiApp", "DemoServer", "Fault", "FaultKind"]

MAX_REQUEST_BYTES = 16 * 1024
LOOPBACK = "127.0.0.1"

_START_SECONDS = 10.0
_STOP_SECONDS = 2

_OCSP_RESPONSE = "application/ocsp-response"
_TIMESTAMP_REPLY = "application/timestamp-reply"
_CRL = "application/pkix-crl"
_CERTIFICATE = "application/pkix-cert"


class DemoPkiApp:
    """ASGI application that publishes a demo PKI.

    `POST /ocsp`; `GET /crl/<issuer>.crl` and `/ca/<issuer>.crt` for the issuers root, citizen and timestamping, in
    DER; `/tsa`, with its scope unchanged, belongs to the application `timestamping`, whose lifespan this one shares.
    """

    def __init__(self, pki: DemoPki, *, timestamping: ASGIApp | None = None) -> None:
        self.faults: dict[str, Fault] = {}
        """What is wrong at present, by path; tests change it at will."""
        self._pki = pki
        self._timestamping = timestamping
        self._crls: dict[str, Issuer] = {crl_path(issuer): issuer for issuer in ISSUERS}
        self._certificates = {
            certificate_path(issuer): pki.authority(issuer).certificate.public_bytes(Encoding.DER) for issuer in ISSUERS
        }
        self._fault_paths: dict[FaultKind, set[str]] = {
            "stale": {OCSP_PATH, *self._crls},
            "unknown": {OCSP_PATH},
            "wrong_responder": {OCSP_PATH},
        }
        self._ignorant_responder = OcspResponder(
            pki.citizen_ca.certificate, pki.ocsp_responder, lambda _serial, _moment: OCSPCertStatus.UNKNOWN
        )
        self._wrong_responder = OcspResponder(pki.citizen_ca.certificate, pki.signers["p384"], pki.status_of_citizen)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope (ASGI 3)."""
        if scope["type"] == "lifespan":
            await (self._timestamping or _lifespan)(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self.faults.get(scope["path"])
        if fault is not None and scope["path"] not in self._fault_paths.get(fault.kind, {scope["path"]}):
            raise ValueError(f"{scope['path']} cannot be {fault.kind}.")
        if fault is None:
            await self._answer(None, scope, receive, send)
        elif fault.kind == "truncated":
            await send_truncated(partial(self._answer, None), scope, receive, send)
        elif not await send_instead(fault, send, self._media_type(scope["path"])):
            if fault.kind == "slow":
                await asyncio.sleep(fault.delay)
            await self._answer(fault, scope, receive, send)

    async def _answer(self, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == TSA_PATH and self._timestamping is not None:
            await self._timestamping(scope, receive, send)
            return
        allowed = self._method(path)
        if allowed is None:
            await respond(send, 404, b"not found\n")
        elif scope["method"] != allowed:
            headers = (b"allow", allowed.encode())
            await respond(send, 405, b"method not allowed\n", "text/plain; charset=utf-8", headers)
        else:
            try:
                body = await read_body(receive, MAX_REQUEST_BYTES)
            except BodyTooLargeError:
                await respond(send, 413, b"request too large\n")
            except ClientDisconnectedError:
                return
            else:
                await respond(send, 200, self._content(path, body, fault), self._media_type(path))

    def _method(self, path: str) -> str | None:
        """Return the method that `path` serves, or None where nothing is."""
        if path == OCSP_PATH:
            return "POST"
        return "GET" if path in self._crls or path in self._certificates else None

    def _media_type(self, path: str) -> str:
        if path == OCSP_PATH:
            return _OCSP_RESPONSE
        if path == TSA_PATH:
            return _TIMESTAMP_REPLY
        return _CRL if path in self._crls else _CERTIFICATE

    def _content(self, path: str, body: bytes, fault: Fault | None) -> bytes:
        if path in self._certificates:
            return self._certificates[path]
        age = fault.shift if fault is not None and fault.kind == "stale" else timedelta()
        moment = self._pki.clock() - age
        if path in self._crls:
            return self._pki.crl_at(self._crls[path], moment)
        match fault:
            case Fault(kind="unknown"):
                return self._ignorant_responder.respond(body, moment)
            case Fault(kind="wrong_responder"):
                return self._wrong_responder.respond(body, moment)
        return self._pki.ocsp_response_at(body, moment)


class DemoServer:
    """Runs an ASGI application on 127.0.0.1 in a thread, from `with` to the end of its block."""

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        """Prepare to serve `app` on `port`; 0 lets the operating system choose."""
        self._port = port
        config = uvicorn.Config(
            app,
            http="httptools",
            loop="uvloop",
            ws="none",
            lifespan="auto",
            access_log=False,
            log_config=None,
            log_level="warning",
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end; the port is known once the block is entered."""
        return f"http://{LOOPBACK}:{self._port}"

    def __enter__(self) -> Self:
        """Start to serve.

        Raises:
            OSError: the port is taken.
            RuntimeError: the application did not start.
        """
        listener = socket.create_server((LOOPBACK, self._port), backlog=128)
        # accepted sockets inherit it; without, each answer waits 40 ms for the acknowledgement of its head
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port = listener.getsockname()[1]
        self._thread = Thread(target=self._run, args=(listener,), name="demo-pki", daemon=True)
        self._thread.start()
        deadline = monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or monotonic() > deadline:
                self._stop()
                listener.close()
                raise RuntimeError(f"The application on {self.url} did not start.")
            sleep(0.005)
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop: requests in progress have two seconds to end."""
        self._stop()

    def _run(self, listener: socket.socket) -> None:
        with suppress(SystemExit):  # uvicorn's answer to a lifespan that fails; __enter__ reports it
            self._server.run([listener])

    def _stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


async def _lifespan(_scope: Scope, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
