"""What a person does with the demo, in a real browser: choose a document, sign it with the PIN, come back, download."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect, sync_playwright

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SECONDS: Final = 15

Look = Callable[[Page, str], None]
"""Is shown each screen, with its name."""


def look_away(_page: Page, _name: str) -> None:
    """Look at nothing."""


class BrowserMissingError(RuntimeError):
    """There is no Chromium."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a headless Chromium.

    Raises:
        BrowserMissingError: it is not installed.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise BrowserMissingError("Chromium is missing: install the Debian package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """Somebody at a browser."""

    def __init__(self, page: Page, counter: str, pin: str, look: Look = look_away) -> None:
        self.page = page
        self._counter = counter
        self.pin = pin
        self._look = look
        page.set_default_timeout(_SECONDS * 1000)
        expect.set_options(timeout=_SECONDS * 1000)

    @property
    def signing_id(self) -> str:
        """The signing whose page is open."""
        return self.page.url.partition("?")[0].partition("#")[0].rpartition("/")[2]

    def choose(self, document: Path | str, language: str = "en") -> None:
        """Choose a sample by its name, or upload a file, and go to the signing page."""
        self.page.goto(f"{self._counter}/?lang={language}")
        self._look(self.page, "counter-home")
        if isinstance(document, Path):
            self.page.set_input_files("#file", document)
        else:
            self.page.check(f"input[name=document][value='{document}']")
        self.page.select_option("#language", language)
        self.page.click("form[action='/sign'] button[type=submit]")

    def arrive(self) -> None:
        """Wait until the signing page has found the card and shown the first page, or said that there is none."""
        expect(self.page.locator("#sign")).to_be_enabled()
        expect(self.page.locator("#pages img, #pages .xml-text, #unshown").first).to_be_visible()
        self._look(self.page, "ready")

    def press_sign(self) -> Page:
        """Press the button, and return the card's window when it asks for the PIN."""
        with self.page.expect_popup() as opened:
            self.page.click("#sign")
        window = opened.value
        expect(window.locator("#pin")).to_be_visible()
        self._look(self.page, "pin-asked")
        self._look(window, "pin-window")
        return window

    def press_sign_again(self, window: Page) -> Page:
        """Press the button while the card's window is open, and return the window when it asks for the PIN again."""
        self.page.click("#sign")
        expect(window.locator("#pin")).to_be_visible()
        return window

    def type_pin(self, window: Page, pin: str | None = None) -> None:
        """Type a PIN, by default the right one, into the card's window."""
        window.fill("#pin", pin or self.pin)
        window.keyboard.press("Enter")

    def end(self) -> str:
        """Wait for the end on the signing page and return the state that it shows."""
        section = self.page.locator("section.signature[data-end]")
        expect(section).to_be_visible()
        self._look(self.page, "ended")
        return section.get_attribute("data-end") or ""

    def go_back(self) -> None:
        """Go back to the counter."""
        self.page.click("#return")
        self.page.wait_for_url(f"{self._counter}/signings/*")
        self._look(self.page, "counter-result")

    def download(self, destination: Path) -> None:
        """Download the signed document from the counter."""
        with self.page.expect_download() as download:
            self.page.click("a[download]")
        download.value.save_as(destination)

    def sign(self, document: Path | str, destination: Path, language: str = "en") -> None:
        """Go through all of it."""
        self.choose(document, language)
        self.arrive()
        self.type_pin(self.press_sign())
        state = self.end()
        if state != "completed":
            raise AssertionError(f"the signing ended {state}: {self.page.locator('#end-text').inner_text()}")
        self.go_back()
        self.download(destination)
