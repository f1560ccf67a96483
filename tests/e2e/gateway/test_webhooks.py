"""Messages when a signing has ended: signed, tried again, once per end (FTS-SIG-7; case A-9)."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from fts.audit.service import Event
from tests.support.gateway import Account, Gateway


class Receiver:
    """A client's server: keeps what comes, and answers what it is told to."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.send_header("location", "http://127.0.0.1:1/")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self._thread = Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def wait(self, count: int, seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while len(self.came) < count:
            assert time.monotonic() < deadline, f"{len(self.came)} of {count} messages came"
            time.sleep(0.02)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def account(gateway: Gateway, receiver: Receiver) -> Account:
    return gateway.register("hooked", webhook_url=receiver.url)


@pytest.fixture(autouse=True)
def _fresh(receiver: Receiver) -> None:
    receiver.came.clear()
    receiver.answers.clear()


def verified(account: Account, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Verify as the published library does, which shares no code with us."""
    found: dict[str, Any] = Webhook(account.webhook_secret).verify(body, headers)
    return found


def outcomes(gateway: Gateway, signing: dict[str, Any], count: int) -> list[Event]:
    """Return the events about a signing's messages, once there are `count`: they are written after the answer came."""
    deadline = time.monotonic() + 10
    while True:
        found = [event for event in gateway.trail(signing["id"]) if event.kind.startswith("webhook.")]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def test_a_completed_signing_is_announced(gateway: Gateway, account: Account, receiver: Receiver, pdf: bytes) -> None:
    signing = account.new_signing(pdf)
    gateway.browser(signing).sign(gateway.signer)
    receiver.wait(1)
    headers, body = receiver.came[0]
    message = verified(account, headers, body)
    assert message["type"] == "signing.completed"
    assert message["data"] == {
        "id": signing["id"],
        "document": signing["document"],
        "state": "completed",
        "code": None,
    }
    assert message["timestamp"].endswith("Z")
    with pytest.raises(WebhookVerificationError):
        verified(account, headers, body.replace(b"completed", b"cancelled"))
    with pytest.raises(WebhookVerificationError):
        Webhook(gateway.account.webhook_secret).verify(body, headers)
    assert [event.kind for event in outcomes(gateway, signing, 1)] == ["webhook.delivered"]


def test_a_message_that_is_not_taken_comes_again(
    gateway: Gateway, account: Account, receiver: Receiver, pdf: bytes
) -> None:
    receiver.answers = [500]
    signing = account.new_signing(pdf)
    account.api.post(f"/v1/signings/{signing['id']}/cancel").raise_for_status()
    receiver.wait(2)
    (first, body), (second, again) = receiver.came
    assert first["webhook-id"] == second["webhook-id"], "the receiver can tell that it is the same"
    assert body == again
    assert verified(account, second, again)["type"] == "signing.cancelled"
    assert [event.kind for event in outcomes(gateway, signing, 2)] == ["webhook.refused", "webhook.delivered"]


def test_a_redirect_is_not_followed(gateway: Gateway, account: Account, receiver: Receiver, pdf: bytes) -> None:
    receiver.answers = [307]
    signing = account.new_signing(pdf)
    gateway.browser(signing).open()
    browser = gateway.browser(signing)
    browser.open().raise_for_status()
    browser.post("decline", {}).raise_for_status()
    receiver.wait(2)
    assert [event.data["outcome"] for event in outcomes(gateway, signing, 2)] == ["307", "204"]


def test_no_personal_data_is_in_a_message(gateway: Gateway, account: Account, receiver: Receiver, pdf: bytes) -> None:
    gateway.browser(account.new_signing(pdf)).sign(gateway.signer)
    receiver.wait(1)
    text = json.dumps(receiver.came[0][1].decode())
    assert "TEST Signer" not in text
    assert "contract.pdf" not in text
