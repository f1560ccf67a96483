"""The demo's trust services and card on this machine: made at the first use, kept in one directory.

    DIR/pki      the demo PKI (deploy.demo_pki), with its timestamping authority at BASE/tsa
    DIR/token    a SoftHSM token with the demo's signers (deploy.demo_token)
    DIR/pin      its PIN, six random digits

Everything in it is for demonstration: TEST certificates, software keys, a PIN in a file.
"""

import fcntl
import http.client
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_pki.__main__ import timestamping_application
from deploy.demo_pki.certificates import TSA_PATH, certificate_path
from deploy.demo_pki.pki import DemoPki
from deploy.demo_pki.server import LOOPBACK, DemoPkiApp, DemoServer
from deploy.demo_token import DemoToken, create_demo_token, load_demo_token

SIGNER: Final = "p384"
"""The signer whose certificate signs: a key as on the current identity card."""
TOKEN_LABEL: Final = "TEST eID"  # noqa: S105 - a name

_PORTS: Final = range(20000, 32000)
"""Below the ports that systems give to outgoing connections, so that the one chosen stays free."""
_PORT_TRIALS: Final = 100
_PROBE_SECONDS: Final = 2.0
_REPLY_MOST_BYTES: Final = 64 * 1024


class DemoStackError(RuntimeError):
    """The demo cannot be made or served; the text says what to do."""


@dataclass(frozen=True, slots=True)
class DemoStack:
    """A complete demo."""

    directory: Path
    pki: DemoPki
    token: DemoToken
    pin: str
    services: DemoPkiApp
    """What serves the PKI, unless another process does already; its faults can be set."""

    @property
    def tsa_url(self) -> str:
        """The timestamping authority."""
        return self.pki.base_url + TSA_PATH

    @property
    def root_pem(self) -> bytes:
        """The trust anchor."""
        return self.pki.root.certificate.public_bytes(Encoding.PEM)


@contextmanager
def demo_stack(directory: Path, *, shared: bool = False) -> Iterator[DemoStack]:
    """Give the demo in `directory`, made if there is none, served till the end of the block.

    One block at a time uses a directory; another waits, unless the first one is `shared`: then others use its services
    beside it. Services that `python -m deploy.demo_pki serve` runs already
    are used and left running.

    Raises:
        DemoStackError: it cannot be made or served.
        DemoTokenError: SoftHSM is missing or does not work.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _locked(directory.parent / f".{directory.name}.lock") as release:
        if not directory.exists():
            _make(directory)
        pki = DemoPki.load(directory / "pki")
        stack = DemoStack(
            directory,
            pki,
            load_demo_token(directory / "token"),
            (directory / "pin").read_text().strip(),
            DemoPkiApp(pki, timestamping=timestamping_application(pki)),
        )
        with nullcontext() if _is_served(pki) else _server(stack):
            if shared:
                release()
            yield stack


def _make(directory: Path) -> None:
    building = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        pki = DemoPki.create(building / "pki", base_url=f"http://{LOOPBACK}:{free_port()}")
        pin = f"{secrets.randbelow(10**6):06}"
        with open(building / "pin", "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(f"{pin}\n")
        entries = [
            (
                name,
                signer.key,
                signer.certificate.public_bytes(Encoding.DER),
                [issuer.public_bytes(Encoding.DER) for issuer in signer.chain],
            )
            for name, signer in pki.signers.items()
        ]
        create_demo_token(building / "token", label=TOKEN_LABEL, pin=pin, entries=entries)
        building.rename(directory)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _server(stack: DemoStack) -> DemoServer:
    """Return a server for the PKI that has been found able to listen."""
    port = urlsplit(stack.pki.base_url).port or 80
    if not is_free(port):
        raise DemoStackError(
            f"Another program uses port {port}, which this demo has in its certificates: stop that one."
        )
    return DemoServer(stack.services, port=port)


def _is_served(pki: DemoPki) -> bool:
    """Tell whether a server of this very PKI answers at its address."""
    expected = pki.root.certificate.public_bytes(Encoding.DER)
    connection = http.client.HTTPConnection(urlsplit(pki.base_url).netloc, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", certificate_path("root"))
        return connection.getresponse().read(_REPLY_MOST_BYTES) == expected
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Choose a port at random, so that the demos of two clones do not meet."""
    for _ in range(_PORT_TRIALS):
        port = secrets.choice(_PORTS)
        if is_free(port):
            return port
    raise DemoStackError(f"No port between {_PORTS[0]} and {_PORTS[-1]} seems to be free on {LOOPBACK}.")


def is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


@contextmanager
def _locked(path: Path) -> Iterator[Callable[[], None]]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another run uses the demo; waiting for its end.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield partial(fcntl.flock, file, fcntl.LOCK_UN)
