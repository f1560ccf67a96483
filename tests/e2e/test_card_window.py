"""The card agent's PIN window in a browser: FTS-SIG-3, FTS-SIG-6, WCAG 2.2 AA.

Every state in four languages is judged by axe; the keyboard does everything.
"""

import base64
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from deploy.demo_browser import BrowserMissingError, chromium
from deploy.demo_pki.server import DemoServer
from deploy.demo_stack import free_port
from signing.eid.card_core import CardCore
from signing.eid.demo_card import DemoCard, PinCounter
from signing.eid.loopback import LoopbackApp
from signing.eid.pin_window import PinWindow
from tests.contract.eid.scripted import PIN, ScriptedCard, listed

PAGE = "https://sign.example"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NAME = "<b>lease</b> & 'x'.pdf"
ENTRY = listed("signature")
CLOSES_MS = 2500
"""Longer than a window that has ended stays open."""


class Agent:
    """The window's server over a card in software."""

    def __init__(self, state: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.counter = PinCounter(state)
        desk = PinWindow(attempts=lambda: self.counter.left)
        core = CardCore(DemoCard(ScriptedCard(ENTRY), self.counter), desk)
        self.app = LoopbackApp(core, desk, own=self.url, origins=[PAGE])
        self.server = DemoServer(self.app, port)
        self._pages = ThreadPoolExecutor(2)

    def sign(self, name: str = NAME) -> "Future[str]":
        """Ask for a signature as a page does; the result is to come."""
        fixed = {"operation": "SIGN", "correlationId": "c", "algo": "SHA256", "documentName": name}
        values = {"cert": base64.b64encode(ENTRY.der).decode(), "digest": base64.b64encode(bytes(32)).decode()}

        def result() -> str:
            answer = httpx.post(f"{self.url}/message", json=fixed | values, headers={"origin": PAGE}, timeout=30)
            return str(answer.json()["result"])

        return self._pages.submit(result)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    made = Agent(tmp_path / "card.json")
    with made.server:
        yield made
        made.app.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        with chromium() as program:
            yield program
    except BrowserMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def window(browser: Browser, agent: Agent) -> Iterator[Page]:
    """The window, opened as the signing page opens it: by a script, which alone lets it close itself."""
    context = browser.new_context(viewport={"width": 460, "height": 600})
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    opener = context.new_page()
    opener.goto(f"{agent.url}/elsewhere")
    with opener.expect_popup() as opened:
        opener.evaluate(
            "(url) => { window.open(url, 'fts-card', 'popup,width=460,height=600') }", f"{agent.url}/window"
        )
    opened.value.set_default_timeout(10_000)
    yield opened.value
    context.close()
    assert faults == []


def judged(page: Page) -> None:
    found: Any = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
    assert found.violations_count == 0, found.generate_report()
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def enter(window: Page, pin: str) -> None:
    """Type a PIN where the focus is."""
    expect(window.locator("#pin")).to_be_focused()
    window.keyboard.type(pin)
    window.keyboard.press("Enter")


@pytest.mark.parametrize("language", ["nl", "fr", "de", "en"])
def test_every_state_is_accessible(window: Page, agent: Agent, language: str) -> None:
    window.goto(f"{agent.url}/window?lang={language}")
    status, fault = window.locator("#status"), window.locator("#fault")
    expect(status).not_to_be_empty()
    judged(window)
    said = {status.inner_text()}
    for left, expected in ((3, "pin_2_attempts_left"), (2, "pin_1_attempt_left"), (1, "card_blocked")):
        answer = agent.sign()
        expect(window.locator("#pin")).to_be_visible()
        expect(window.locator("#attempts")).to_have_text(str(left))
        judged(window)
        enter(window, "12")
        expect(fault).not_to_be_empty()
        judged(window)
        window.locator("#pin").fill("")
        enter(window, "000000")
        assert answer.result() == expected
        expect(window.locator("#pin")).to_be_hidden()
        expect(status).not_to_be_empty()
        judged(window)
        said.add(status.inner_text())
    assert len(said) == 4
    blocked = status.inner_text()
    window.reload()
    expect(status).to_have_text(blocked)


def test_what_is_shown_is_text(window: Page, agent: Agent) -> None:
    answer = agent.sign()
    expect(window.locator("#document")).to_have_text(NAME)
    assert window.locator("#document *").count() == 0
    expect(window.locator("#origin")).to_have_text(PAGE)
    expect(window.locator("#digest")).to_have_text("00000000")
    field = window.locator("#pin")
    assert [field.get_attribute(name) for name in ("type", "inputmode", "autocomplete")] == [
        *("password", "numeric", "off")
    ]
    window.keyboard.press("Escape")
    assert answer.result() == "cancel"


def test_it_closes_itself_after_a_signature(window: Page, agent: Agent) -> None:
    answer = agent.sign()
    with window.expect_event("close"):
        enter(window, PIN)
    assert answer.result() == "OK"


def test_closing_it_cancels_at_once(window: Page, agent: Agent) -> None:
    answer = agent.sign()
    expect(window.locator("#pin")).to_be_visible()
    window.close()
    assert answer.result(2) == "cancel"
    assert agent.counter.left == 3


def test_loaded_anew_it_goes_on(window: Page, agent: Agent) -> None:
    """The site opens the window by its name at each attempt, which loads the one that is open anew."""
    answer = agent.sign()
    expect(window.locator("#pin")).to_be_visible()
    window.reload()
    enter(window, PIN)
    assert answer.result() == "OK"


def test_opened_for_the_next_document_it_stays(window: Page, agent: Agent) -> None:
    """How the last request ended is nothing to a window that was just opened, nor to the next request in the same."""
    first = agent.sign()
    enter(window, PIN)
    assert first.result() == "OK"
    second = agent.sign("second.pdf")
    expect(window.locator("#document")).to_have_text("second.pdf")
    window.wait_for_timeout(CLOSES_MS)
    enter(window, PIN)
    assert second.result() == "OK"

    context = window.context
    again = context.new_page()
    again.goto(f"{agent.url}/window?lang=en")
    expect(again.locator("#status")).to_contain_text("Waiting for the website")
    again.wait_for_timeout(CLOSES_MS)
    third = agent.sign("third.pdf")
    enter(again, PIN)
    assert third.result() == "OK"


def test_when_the_agent_ends_the_window_says_so(window: Page, agent: Agent) -> None:
    answer = agent.sign()
    expect(window.locator("#pin")).to_be_visible()
    agent.app.stop()
    assert answer.result(2) == "cancel"
    window.goto(f"{agent.url}/window?lang=en")
    agent.server.__exit__(None, None, None)
    expect(window.locator("#status")).to_contain_text("does not answer")
    expect(window.locator("#pin")).to_be_hidden()
