"""The pages in a real browser: the whole walk, accessibility (axe), and pictures in `var/screenshots/demo_rp/`."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from demo_rp.pages import LANGUAGES
from tests.unit.demo_rp.conftest import Desk
from tests.unit.demo_rp.fake_gateway import FakeGateway

PICTURES = Path(__file__).resolve().parents[3] / "var" / "screenshots" / "demo_rp"
CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DAMAGED = {"original_sha256": "", "rewritten_sha256": "1" * 64, "findings": ["the cross-reference table is damaged"]}
REVOKED = {
    "code": "CERTIFICATE_REVOKED",
    "title": "The certificate is revoked",
    "detail": "the signer's certificate was revoked on 2026-05-04",
    "remedy": "Use another card, or ask the municipality for a new one.",
    "party": "signer",
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def another_site(fake: FakeGateway) -> None:
    """Put the gateway on another site than the counter, as in the demo, so that SameSite counts."""
    fake.origin = fake.origin.replace("127.0.0.1", "localhost")


def seen(page: Page, name: str, language: str) -> None:
    """Take a picture of a page and look for what hinders people."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}-{language}.png", full_page=True)
    assert page.locator("html").get_attribute("lang") == language
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_walk(desk: Desk, chromium: Browser, language: str, tmp_path: Path) -> None:
    """FTS-SIG-1, FTS-SIG-7, FTS-ENV-2: in each language, from the choice to the destruction."""
    context = chromium.new_context(locale=language, viewport={"width": 1100, "height": 800}, accept_downloads=True)
    page, faults = context.new_page(), list[str]()
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(desk.url)
    seen(page, "1-home", language)
    page.locator("#sample-2").check()
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/signings/*")
    signing = next(iter(desk.gateway.signings))
    assert desk.gateway.signings[signing]["language"] == language
    assert page.locator(".badge.completed").count() == 1
    seen(page, "2-completed", language)
    assert desk.tell("signing.completed", signing).status_code == 204
    page.locator("a.button.quiet").click()
    assert page.locator(".checks .good").count() == 3
    seen(page, "3-completed-and-told", language)
    with page.expect_download() as download:
        page.locator("a[download]").click()
    assert download.value.suggested_filename == "report-signed.pdf"
    assert download.value.path().read_bytes() == desk.gateway.results[signing]

    broken = tmp_path / "no.pdf"
    broken.write_bytes(b"no PDF")
    page.goto(desk.url)
    page.locator("#file").set_input_files(broken)
    page.locator("button[type=submit]").click()
    page.wait_for_selector(".box.bad")
    seen(page, "4-refused", language)
    page.goto(f"{desk.url}/signings")
    seen(page, "5-list", language)
    page.goto(f"{desk.url}/signings/{signing}")
    page.locator("button.danger").click()
    page.wait_for_selector(".badge:not(.completed)")
    assert page.locator("button.danger").count() == 0
    seen(page, "6-destroyed", language)
    page.goto(f"{desk.url}/return?id={signing}&state=x&status=completed")
    seen(page, "7-return-of-somebody-else", language)
    assert [fault for fault in faults if "status of 4" not in fault] == []
    context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_other_ends(desk: Desk, chromium: Browser, language: str) -> None:
    """Ends without a signature, a rewritten document, a wrong file, and a gateway that is down."""
    context = chromium.new_context(locale=language, viewport={"width": 1100, "height": 800})
    page = context.new_page()
    desk.gateway.repair = DAMAGED
    page.goto(desk.url)
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/signings/*")
    signing = next(iter(desk.gateway.signings))
    for state, problem in (
        ("opened", None),
        ("finishing", None),
        ("declined", None),
        ("expired", None),
        ("failed", REVOKED),
    ):
        desk.gateway.finish(signing, state, problem=problem, result=None, signer=None)
        page.reload()
        seen(page, f"8-{state}", language)
    desk.gateway.finish(signing, problem=None)
    page.reload()
    seen(page, "9-wrong-file", language)
    assert page.locator(".checks .bad").count() == 1
    desk.gateway.answer = None
    desk.gateway.signings.clear()
    page.reload()
    seen(page, "9-gone", language)
    page.goto(f"{desk.url}/signings")
    context.clear_cookies()
    page.reload()
    seen(page, "5-list-empty", language)
    context.close()


def test_on_a_small_screen(desk: Desk, chromium: Browser) -> None:
    """WCAG 2.2, 1.4.10: nothing needs scrolling in two directions at 320 CSS pixels."""
    context = chromium.new_context(locale="de", viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.goto(desk.url)
    seen(page, "small-home", "de")
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/signings/*")
    seen(page, "small-completed", "de")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.goto(f"{desk.url}/signings")
    seen(page, "small-list", "de")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()


def test_the_keyboard_is_enough(desk: Desk, chromium: Browser) -> None:
    """WCAG 2.2, 2.1.1: the form is sent without a pointer; the first stop leads to the content."""
    page = chromium.new_context(locale="en").new_page()
    page.goto(desk.url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#sample-1").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/signings/*")
    [document] = desk.gateway.documents.values()
    assert document["name"] == "report.pdf"
    page.context.close()


def test_the_policy_lets_the_form_lead_to_the_gateway_only(desk: Desk, chromium: Browser) -> None:
    """A form whose answer leads to another site than the gateway's is stopped by the browser itself."""
    desk.gateway.origin = "http://evil.localhost:1"
    page, faults = chromium.new_context(locale="en").new_page(), list[str]()
    page.on("console", lambda line: faults.append(line.text))
    page.goto(desk.url)
    page.locator("button[type=submit]").click()
    page.wait_for_timeout(500)
    assert page.url == f"{desk.url}/"
    assert any("form-action" in fault for fault in faults)
    page.context.close()
