"""The whole demo in a headless Chromium: one demo and one browser for all tests, a fresh profile for each."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from deploy.demo import running
from deploy.demo_browser import Person, chromium
from deploy.demo_line import DemoLine
from deploy.processes import Service
from signing.eid.demo_card import PinCounter
from tests.support.gateway import Account

LIMITS = "finishing_seconds = 3.0\nlease_seconds = 3.0\nsweep_seconds = 0.5\n"
SCREENSHOTS = Path(__file__).resolve().parents[3] / "var" / "screenshots"


@dataclass
class Demo:
    """The running demo."""

    line: DemoLine
    services: dict[str, Service]
    account: Account

    def trail(self, signing_id: str) -> list[dict[str, Any]]:
        """Return the events of a signing and its document."""
        command = [sys.executable, "-m", "fts.cli", "trail", signing_id, "--config", str(self.line.configuration)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [json.loads(row) for row in printed.splitlines()]

    def unblock(self) -> None:
        """Give the card its tries back."""
        PinCounter(self.line.pin_counter).reset()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of its own, with a short budget for failing trust services."""
    directory = tmp_path_factory.mktemp("browser") / "demo"
    with running(directory, limits="finishing_seconds = 3.0\nlease_seconds = 3.0\nsweep_seconds = 0.5\n") as (
        line,
        services,
    ):
        values = dict(row.split("=", 1) for row in line.account_file.read_text().splitlines())
        client = (values["FTS_CLIENT_ID"], values["FTS_CLIENT_SECRET"])
        with httpx.Client(base_url=line.gateway_url, auth=client, timeout=30) as api:
            account = Account(*client, values["FTS_WEBHOOK_SECRET"], api)
            yield Demo(line, {service.name: service for service in services}, account)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; while it runs, the thread has an event loop, which tests of other modules must not meet."""
    with chromium() as program:
        yield program


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile at 1280x800; an error on a page's console fails the test that caused it."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def person(context: BrowserContext, demo: Demo) -> Person:
    """Somebody with a card that has all its tries."""
    demo.unblock()
    return Person(context.new_page(), demo.line.counter_url, demo.line.stack.pin)


Judge = Callable[[Page, str], None]


@pytest.fixture
def judge() -> Judge:
    """Keep a picture of a screen, and let axe judge it (WCAG 2.2 AA)."""

    def look(page: Page, name: str) -> None:
        language = page.evaluate("document.documentElement.lang")
        folder = SCREENSHOTS / language
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png")
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
        assert found.violations_count == 0, f"{language}/{name}: {found.generate_report()}"

    return look
