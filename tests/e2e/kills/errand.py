"""One document's way through the gateway, by a client and a signer who never give up."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import httpx

from tests.support.gateway import ENDED, RETURN_URL, Browser, Gateway, named, sign_digest

_PAUSE_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 40.0
_TRIED_AGAIN: Final = frozenset({"OVERLOADED", "INTERNAL_ERROR", "PREVIEW_UNAVAILABLE"})
"""Answers after which the page sends the same again by itself, or offers to."""

Card = Callable[[bytes], bytes]
"""Signs a SHA-256 digest."""
Halt = Callable[["Errand", str], None]
"""Is called by the one who carries a document, at each point where nothing of it is under way."""


def no_halt(_errand: "Errand", _point: str) -> None:
    """Go on."""


class Errand:
    """Upload, order, open, look, give the certificate, sign, fetch; every request repeated until answered."""

    def __init__(self, gateway: Gateway, document: bytes, halt: Halt = no_halt, card: Card | None = None) -> None:
        """Carry `document` through `gateway`; `card` signs digests, the signer's software key where there is none."""
        self.gateway = gateway
        self.document = document
        self.document_id = secrets.token_hex(8)
        self.signing: dict[str, Any] = {}
        self.browser: Browser | None = None
        self.digest = b""
        self.value = b""
        self.end: dict[str, Any] = {}
        self.result = b""
        self.repeated = 0
        """Requests that were sent again."""
        self._halt = halt
        self._card = card or partial(sign_digest, gateway.signer)

    @property
    def id(self) -> str:
        """The signing's id."""
        return str(self.signing["id"])

    def run(self) -> "Errand":
        """Go all the way."""
        self.upload()
        self._halt(self, "uploaded")
        self.order()
        self._halt(self, "created")
        browser = self.open()
        self._halt(self, "opened")
        self.look()
        self.prepare()
        self._halt(self, "prepared")
        self.give_value()
        self._halt(self, "accepted")
        self.end = self.wait(lambda found: found["state"] in ENDED)
        self._halt(self, "ended")
        if self.end["state"] == "completed":
            self.result = self.download()
        browser.http.close()
        return self

    def upload(self) -> None:
        """Upload until the document is known to be ready."""
        headers = {
            "content-type": "application/pdf",
            "content-digest": f"sha-256=:{_text(hashlib.sha256(self.document).digest())}:",
            "content-length": str(len(self.document)),
            "content-disposition": named("contract.pdf"),
        }
        path = f"/v1/documents/{self.document_id}"
        api = self.gateway.account.api

        def put() -> httpx.Response:
            return api.put(path, content=self._body(), headers=headers)

        found = self.persistently(put).json()
        while found["state"] == "inspecting":
            time.sleep(_PAUSE_SECONDS)
            found = self.persistently(lambda: api.get(path)).json()
        assert found["state"] == "ready", found

    def order(self) -> None:
        """Ask for the signing, with a key, so that a repetition is the same order."""
        order = {"document": self.document_id, "return_url": RETURN_URL}
        headers = {"idempotency-key": self.document_id}
        api = self.gateway.account.api
        self.signing = self.persistently(lambda: api.post("/v1/signings", json=order, headers=headers)).json()

    def open(self) -> Browser:
        """Open the link."""
        self.browser = browser = self.gateway.browser(self.signing)
        self.persistently(lambda: browser.http.get(browser.path))
        self.persistently(browser.open)
        return browser

    def look(self) -> None:
        """Look at the page and the picture of the first page."""
        browser = self._browser()
        assert "PAdES LTA" in self.persistently(lambda: browser.http.get(browser.path)).text
        picture = self.persistently(lambda: browser.http.get(f"{browser.path}/pages/1.png"))
        assert picture.content.startswith(b"\x89PNG")

    def prepare(self) -> None:
        """Give the certificate and wait for the digest; where the page would offer to try again, take the offer."""
        browser = self._browser()
        given = self._give_certificate(browser)
        while given.is_error and _code(given) == "SIGNING_STATE":
            given = self._give_certificate(browser)
        given.raise_for_status()
        version = given.json()["version"]
        found = self.wait(lambda found: found["version"] >= version and found["state"] in ("prepared", "opened"))
        assert found["state"] == "prepared", found
        self.digest = base64.b64decode(found["digest"])

    def give_value(self) -> None:
        """Sign the digest once, as a card does, and give the value."""
        browser = self._browser()
        self.value = self._card(self.digest)
        body = {"digest": _text(self.digest), "signature": _text(self.value)}
        self.persistently(lambda: browser.post("signature", body))

    def wait(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Follow the state as the page does."""
        browser, after = self._browser(), 0
        while True:
            found: dict[str, Any] = self.persistently(partial(_state, browser, after)).json()
            if reached(found):
                return found
            after = found["version"]

    def download(self) -> bytes:
        """Fetch the signed document."""
        path = f"/v1/signings/{self.id}/content"
        return self.persistently(lambda: self.gateway.account.api.get(path)).content

    def persistently(self, call: Callable[[], httpx.Response], *, refusals: bool = False) -> httpx.Response:
        """Call until there is an answer; a refusal fails the test unless `refusals` are expected."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                answer = call()
            except httpx.TransportError as error:
                reason: object = error
            else:
                if answer.is_success or (refusals and _code(answer) not in _TRIED_AGAIN):
                    return answer
                reason = f"{answer.status_code} {answer.text}"
                assert _code(answer) in _TRIED_AGAIN, reason
            assert time.monotonic() < deadline, f"no answer within {_PATIENCE_SECONDS:g} s: {reason!r}"
            self.repeated += 1
            time.sleep(_PAUSE_SECONDS)

    def _give_certificate(self, browser: Browser) -> httpx.Response:
        return self.persistently(lambda: browser.give_certificate(self.gateway.signer), refusals=True)

    def _browser(self) -> Browser:
        assert self.browser is not None
        return self.browser

    def _body(self) -> Iterator[bytes]:
        """Give the document in two halves."""
        half = len(self.document) // 2
        yield self.document[:half]
        self._halt(self, "uploading")
        yield self.document[half:]


def _state(browser: Browser, after: int) -> httpx.Response:
    return browser.http.get(f"{browser.path}/state", params={"after": after})


def _code(answer: httpx.Response) -> str:
    if answer.headers.get("content-type") != "application/problem+json":
        return ""
    return str(answer.json()["code"])


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
