"""The demo card's agent as a process of its own, and the page's side of it: messages, and a person at its window."""

import base64
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_stack import free_port
from signing.eid.demo_card import PinCounter
from tests.support.gateway import Gateway, Process

RIGHT_PIN: Final = "4711"
WRONG_PIN: Final = "0815"

_SECONDS: Final = 15.0


class Agent:
    """An agent over software keys: a context manager."""

    def __init__(self, gateway: Gateway, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        pin = directory / "pin"
        pin.write_text(RIGHT_PIN)
        state = directory / "card.json"
        port = free_port()
        self.counter = PinCounter(state)
        self.certificate = gateway.signer.certificate.public_bytes(Encoding.DER)
        self._url = f"http://127.0.0.1:{port}"
        self._origin = {"origin": gateway.url}
        self._process = Process(
            [
                *("-m", "deploy.demo_card", "serve", "--environment", "TA", "--port", str(port)),
                *("--origin", gateway.url, "--state", str(state), "--token", str(directory)),
                *("--software", str(gateway.directory / "pki"), "--pin-file", str(pin), "--signer", "p384"),
            ],
            "card agent ready",
            directory / "agent.log",
        )

    def __enter__(self) -> Self:
        self._process.start()
        self.http = httpx.Client(base_url=self._url, timeout=30)
        self._page = ThreadPoolExecutor(1)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._page.shutdown()
        self.http.close()

    def kill(self) -> None:
        """Kill the agent and start it again at once."""
        self._process.kill()
        self._process.start()

    def ask(self, digest: bytes) -> "Future[dict[str, Any]]":
        """Send SIGN as the page does; the answer comes when the person has answered."""
        request = {
            "operation": "SIGN",
            "correlationId": digest.hex()[:8],
            "cert": _text(self.certificate),
            "algo": "SHA256",
            "digest": _text(digest),
            "pin": None,
            "language": "nl",
            "documentName": "contract.pdf",
        }
        return self._page.submit(self._message, request)

    def shown(self) -> str:
        """Wait until the window asks for the PIN, as the window does; return the id of the request."""
        known, deadline = 0, time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            found = self.http.get("/window/next", params={"known": known}).json()
            if found["request"] is not None:
                return str(found["request"])
            known = found["version"]
        raise TimeoutError("the window has not asked for a PIN")

    def type(self, pin: str) -> None:
        """Type a PIN into the window."""
        body = {"request": self.shown(), "pin": pin}
        self.http.post("/window/pin", json=body, headers={"origin": self._url}).raise_for_status()

    def answer(self, digest: bytes, pin: str) -> dict[str, Any]:
        """Ask for a signature and type a PIN; return the agent's answer."""
        asked = self.ask(digest)
        self.type(pin)
        return asked.result(_SECONDS)

    def sign(self, digest: bytes) -> bytes:
        """Sign with the right PIN."""
        answer = self.answer(digest, RIGHT_PIN)
        assert answer["result"] == "OK", answer
        return base64.b64decode(answer["signature"])

    def _message(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post("/message", json=request, headers=self._origin)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
