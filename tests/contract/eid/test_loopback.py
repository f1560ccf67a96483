"""The card core's door on the loopback and its PIN window: FTS-SIG-2, FTS-SIG-3; W-10.

A server with short limits over a card that does as it is told; `test_agent.py` has the real process.
"""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.demo_pki.server import DemoServer
from deploy.demo_stack import free_port
from signing.eid.card_core import CardCore
from signing.eid.demo_card import DemoCard, PinCounter
from signing.eid.loopback import LoopbackApp
from signing.eid.pin_window import PinWindow, WindowLimits
from tests.contract.eid.scripted import PIN, ScriptedCard, listed

PAGE = "https://sign.example"
OTHER = "https://other.example"
PATIENT = WindowLimits(opening=5.0, absence=5.0, answer=20.0, poll=0.3)
HASTY = WindowLimits(opening=0.6, absence=0.4, answer=2.0, poll=0.3)
ENTRY = listed("signature")


class Served:
    """The application on a real port, and what the page and the window do with it."""

    def __init__(self, state: Path, limits: WindowLimits) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.counter = PinCounter(state)
        self.card = ScriptedCard(ENTRY)
        window = PinWindow(limits, attempts=lambda: self.counter.left)
        core = CardCore(DemoCard(self.card, self.counter), window)
        self.app = LoopbackApp(core, window, own=self.url, origins=[PAGE])
        self.server = DemoServer(self.app, port)
        self.pages = ThreadPoolExecutor(4)

    def message(self, timeout: float = 10, **more: Any) -> dict[str, Any]:
        """Send a message as the page does."""
        sent = {"operation": "VERSION", "correlationId": "c"} | more
        answer = httpx.post(f"{self.url}/message", json=sent, headers={"origin": PAGE}, timeout=timeout)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    def sign(self, timeout: float = 10) -> dict[str, Any]:
        """Ask for a signature and wait for the answer."""
        digest = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
        cert = base64.b64encode(ENTRY.der).decode()
        return self.message(timeout, operation="SIGN", cert=cert, algo="SHA256", digest=digest, documentName="a.pdf")

    def asked(self) -> tuple["Future[dict[str, Any]]", dict[str, Any]]:
        """Ask for a signature; return the answer to come, and what the window shows."""
        answer = self.pages.submit(self.sign)
        for _ in range(50):
            news = self.next()
            if news["request"]:
                return answer, news
            time.sleep(0.02)
        raise AssertionError("the window shows no request")

    def next(self, known: object = 0) -> dict[str, Any]:
        """Ask for news as the window does."""
        answer = httpx.get(f"{self.url}/window/next", params={"known": str(known)}, timeout=5)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    def post(self, path: str, sent: Any, **headers: str) -> int:
        """Answer as the window does."""
        return httpx.post(f"{self.url}{path}", json=sent, headers={"origin": self.url} | headers).status_code


@pytest.fixture
def limits() -> WindowLimits:
    return PATIENT


@pytest.fixture
def served(tmp_path: Path, limits: WindowLimits) -> Iterator[Served]:
    made = Served(tmp_path / "card.json", limits)
    with made.server:
        yield made
    made.pages.shutdown()


def test_a_signature_goes_through_the_window(served: Served) -> None:
    answer, news = served.asked()
    assert (news["origin"], news["document"], news["card"], news["attempts"]) == (PAGE, "a.pdf", "TEST", 3)
    assert news["digest"] == hashlib.sha256(b"x").hexdigest()[:8]
    assert served.post("/window/pin", {"request": news["request"], "pin": PIN}) == 200
    assert answer.result()["result"] == "OK"
    assert served.next(news["version"])["result"] == "OK"


def test_a_window_that_is_opened_is_not_told_how_the_last_request_ended(served: Served) -> None:
    """It would show that, and close itself, while the next PIN is about to be asked."""
    answer, news = served.asked()
    served.post("/window/pin", {"request": news["request"], "pin": PIN})
    answer.result()
    assert served.next()["result"] is None


def test_the_window_tells_how_many_attempts_are_left(served: Served) -> None:
    for left, expected in ((3, "pin_2_attempts_left"), (2, "pin_1_attempt_left"), (1, "card_blocked")):
        answer, news = served.asked()
        assert news["attempts"] == left
        served.post("/window/pin", {"request": news["request"], "pin": "99999"})
        assert answer.result()["result"] == expected
        assert served.next(news["version"])["result"] == expected
    assert (served.next()["request"], served.next()["attempts"]) == (None, 0)
    assert served.sign()["result"] == "card_blocked"


@pytest.mark.parametrize("limits", [HASTY])
def test_nobody_waits_for_a_window_that_is_not_opened(served: Served) -> None:
    began = time.monotonic()
    assert served.sign()["result"] == "pin_timeout"
    assert HASTY.opening <= time.monotonic() - began < HASTY.opening + 2


@pytest.mark.parametrize("limits", [HASTY])
def test_nobody_waits_for_a_pin_for_ever(served: Served) -> None:
    began = time.monotonic()
    answer, _ = served.asked()
    while not answer.done():
        known = served.next()["version"]
        served.next(known)
    assert answer.result()["result"] == "pin_timeout"
    assert HASTY.answer <= time.monotonic() - began < HASTY.answer + 2
    assert served.card.tried == []


@pytest.mark.parametrize("limits", [HASTY])
def test_a_window_that_is_gone_cancels(served: Served) -> None:
    answer, news = served.asked()
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{served.url}/window/next", params={"known": news["version"]}, timeout=0.1)
    began = time.monotonic()
    assert answer.result()["result"] == "cancel"
    assert time.monotonic() - began < HASTY.absence + 2
    assert served.post("/window/pin", {"request": news["request"], "pin": PIN}) == 409
    assert served.counter.left == 3


def test_a_window_that_says_it_is_closed_cancels_at_once(served: Served) -> None:
    """By `navigator.sendBeacon`, whose text has no media type of JSON."""
    answer, news = served.asked()
    sent = json.dumps({"request": news["request"]})
    headers = {"origin": served.url, "content-type": "text/plain;charset=UTF-8"}
    assert httpx.post(f"{served.url}/window/cancel", content=sent, headers=headers).status_code == 200
    assert answer.result(2)["result"] == "cancel"


def test_a_page_that_leaves_frees_the_card(served: Served) -> None:
    with pytest.raises(httpx.ReadTimeout):
        served.sign(0.2)
    time.sleep(0.1)
    assert served.next()["request"] is None, "nobody is asked for a PIN whose signature nobody gets"
    answer, news = served.asked()
    served.post("/window/pin", {"request": news["request"], "pin": PIN})
    assert answer.result()["result"] == "OK"
    assert served.card.tried == [PIN]


def test_one_request_at_a_time(served: Served) -> None:
    answer, news = served.asked()
    assert served.sign()["result"] == "busy"
    assert served.message(operation="USERCERTS")["result"] == "busy"
    assert served.message()["result"] == "OK"
    served.post("/window/cancel", {"request": news["request"]})
    assert answer.result()["result"] == "cancel"


def test_stopping_waits_for_nobody(served: Served) -> None:
    answer, news = served.asked()
    poll = served.pages.submit(served.next, news["version"])
    served.app.stop()
    assert answer.result(2)["result"] == "cancel"
    poll.result(2)
    assert served.sign()["result"] == "cancel", "nothing is asked any more"


@pytest.mark.parametrize("origin", [OTHER, "null", "", f"{PAGE}/", PAGE.upper(), f"{PAGE}:443", f"{PAGE}.example"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_only_the_page_gets_through(served: Served, method: str, origin: str) -> None:
    sent = {"operation": "USERCERTS"}
    answer = httpx.request(method, f"{served.url}/message", json=sent, headers={"origin": origin})
    assert answer.status_code == 403
    assert b"certificates" not in answer.content
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_without_an_origin_nobody_gets_through(served: Served) -> None:
    assert httpx.post(f"{served.url}/message", json={"operation": "VERSION"}).status_code == 403


def test_the_browser_may_ask_before(served: Served) -> None:
    asked = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
        "access-control-request-private-network": "true",
    }
    answer = httpx.options(f"{served.url}/message", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == "content-type"
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/message", "/window", "/window/next", "/window/pin", "/window/window.js"])
def test_only_this_address_is_served(served: Served, path: str) -> None:
    """A name that was rebound to the loopback is another Host."""
    port = served.url.rpartition(":")[2]
    for host in ("127.0.0.1", f"localhost:{port}", f"evil.example:{port}", f"127.0.0.1:{port}.evil.example", ""):
        for method in ("GET", "POST", "OPTIONS"):
            headers = {"host": host, "origin": PAGE}
            assert httpx.request(method, f"{served.url}{path}", headers=headers).status_code in (400, 403)


def test_only_the_window_gives_a_pin(served: Served) -> None:
    answer, news = served.asked()
    given = {"request": news["request"], "pin": PIN}
    for origin in (PAGE, OTHER, "null", "", served.url.replace("http", "https", 1)):
        for path in ("/window/pin", "/window/cancel"):
            assert served.post(path, given, origin=origin) == 404
    assert httpx.post(f"{served.url}/window/pin", json=given).status_code == 404, "no origin at all"
    assert httpx.get(f"{served.url}/window/pin", params=given, headers={"origin": served.url}).status_code == 404
    for request in ("", "0" * 32, "é", "\ud800", news["request"][:-1]):
        text = json.dumps({"request": request, "pin": PIN})
        headers = {"origin": served.url}
        assert httpx.post(f"{served.url}/window/pin", content=text, headers=headers).status_code == 409
    assert served.card.tried == []
    assert served.post("/window/pin", given) == 200
    assert served.post("/window/pin", given) == 409, "once"
    assert answer.result()["result"] == "OK"


@pytest.mark.parametrize("pin", ["", "123", "1" * 13, "12a4", "١٢٣٤", " 1234", 1234, ["1234"], None])
def test_what_can_be_no_pin_is_no_try(served: Served, pin: object) -> None:
    answer, news = served.asked()
    assert served.post("/window/pin", {"request": news["request"], "pin": pin}) == 422
    served.post("/window/cancel", {"request": news["request"]})
    assert answer.result()["result"] == "cancel"
    assert served.counter.left == 3


def test_other_sites_are_told_nothing_about_the_window(served: Served) -> None:
    for site in ("cross-site", "same-site", "none"):
        answer = httpx.get(f"{served.url}/window/next", headers={"sec-fetch-site": site})
        assert answer.status_code == 404


@pytest.mark.parametrize("known", ["", "x", "-1", "²", "9" * 6000, "1&known=2"])
def test_what_no_window_says_is_taken_for_a_new_window(served: Served, known: str) -> None:
    assert served.next(known)["request"] is None


@pytest.mark.parametrize("path", ["/window", "/window?lang=nl", "/window/next", "/window/window.js", "/elsewhere"])
def test_answers_are_kept_by_nobody_and_framed_by_nobody(served: Served, path: str) -> None:
    headers = httpx.get(f"{served.url}{path}").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'none'")


@pytest.mark.parametrize("language", ["nl", "fr", "de", "en"])
def test_the_window_has_every_text_in_every_language(served: Served, language: str) -> None:
    page = httpx.get(f"{served.url}/window", params={"lang": language}).text
    assert f'<html lang="{language}"' in page
    assert "{{" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count('src="/window/window.js"') == 1


def test_only_json_of_bearable_length_is_read(served: Served) -> None:
    headers = {"origin": PAGE, "content-type": "text/plain"}
    answer = httpx.post(f"{served.url}/message", json={"operation": "VERSION"}, headers=headers)
    assert answer.json()["result"] == "general_error", "what a form of another site can send is no message"
    for length, result in ((10_000, "OK"), (10_001, "general_error")):
        body = json.dumps({"operation": "VERSION", "x": ""})
        body = body.replace('""', f'"{"x" * (length - len(body))}"')
        assert len(body) == length
        headers = {"origin": PAGE, "content-type": "application/json"}
        assert httpx.post(f"{served.url}/message", content=body, headers=headers).json()["result"] == result


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).map(lambda value: json.dumps(value).encode())
)
def test_every_frame_gets_an_answer(served: Served, body: bytes) -> None:
    headers = {"origin": PAGE, "content-type": "application/json"}
    answer = httpx.post(f"{served.url}/message", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["result"] == "general_error"
