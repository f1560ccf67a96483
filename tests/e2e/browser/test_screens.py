"""Every screen in four languages: kept as pictures, judged by axe (FTS-SIG-6, FTS-ENV-6, FTS-GDPR-5, WCAG 2.2 AA)."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.demo_browser import Person
from deploy.demo_pki.faults import Fault
from signing.eid.demo_card import PinCounter
from tests.e2e.browser.conftest import Demo, Judge
from tests.samples.damaged import DAMAGED

LANGUAGES = ("nl", "fr", "de", "en")
WRONG = "0000000"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_way_to_a_signature(person: Person, demo: Demo, judge: Judge, language: str) -> None:
    person.choose("report.pdf", language)
    person.arrive()
    judge(person.page, "ready")
    person.page.click("#decline")
    judge(person.page, "decline")
    person.page.click("#confirm-no")
    window = person.press_sign()
    judge(person.page, "pin-asked")
    judge(window, "card-window")
    person.type_pin(window, WRONG)
    expect(person.page.locator("#message")).to_be_visible()
    judge(person.page, "wrong-pin")
    judge(window, "card-window-wrong")
    worker = demo.services["the gateway's worker"].pid
    window = person.press_sign_again(window)
    os.kill(worker, signal.SIGSTOP)
    try:
        person.type_pin(window)
        expect(person.page.locator("#step-timestamp[data-at=now]")).to_be_visible()
        judge(person.page, "finishing")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert person.end() == "completed"
    person.page.click("#stay")
    judge(person.page, "completed")


@pytest.mark.parametrize("language", LANGUAGES)
def test_ends_without_a_signature(person: Person, demo: Demo, judge: Judge, language: str) -> None:
    person.choose("brief.pdf", language)
    person.arrive()
    person.page.click("#decline")
    person.page.click("#confirm-yes")
    assert person.end() == "declined"
    judge(person.page, "declined")

    person.choose("brief.pdf", language)
    person.arrive()
    signing_id = person.page.url.rpartition("/")[2]
    demo.account.api.post(f"/v1/signings/{signing_id}/cancel").raise_for_status()
    assert person.end() == "cancelled"
    judge(person.page, "cancelled")

    person.choose("brief.pdf", language)
    person.arrive()
    demo.line.stack.services.faults["/tsa"] = Fault("down")
    try:
        person.type_pin(person.press_sign())
        assert person.end() == "failed"
        judge(person.page, "failed")
    finally:
        demo.line.stack.services.faults.clear()


@pytest.mark.parametrize("language", LANGUAGES)
def test_notices(person: Person, demo: Demo, judge: Judge, browser: Browser, language: str, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pdf"
    damaged.write_bytes(DAMAGED["startxref_missing"].make())
    person.choose(damaged, language)
    person.arrive()
    judge(person.page, "repaired")
    address = person.page.url

    demo.account.api.post(f"/v1/signings/{person.signing_id}/cancel").raise_for_status()
    person.choose("brief.pdf", language)
    person.arrive()
    address = person.page.url
    link = demo.account.signing(person.signing_id)["signing_url"]
    replacing = browser.new_context(locale=language)
    replacing.new_page().goto(link)
    expect(person.page.locator("#message")).to_be_visible()
    judge(person.page, "session-replaced")
    replacing.close()
    person.page.goto("about:blank")
    person.page.goto(link)
    person.arrive()

    other = browser.new_context(locale=language)
    page = other.new_page()
    page.goto(address)
    expect(page.locator("#message.fault")).to_be_visible()
    judge(page, "link-incomplete")
    page.goto(f"{address}#wrong")
    page.reload()
    page.goto("about:blank")
    page.goto(f"{address}#wrong")
    expect(page.locator("#message.fault")).to_be_visible()
    judge(page, "link-invalid")
    other.close()

    demo.services["the card agent"].stop()
    try:
        person.page.reload()
        expect(person.page.locator("#card")).not_to_contain_text("…")
        judge(person.page, "no-software")
    finally:
        demo.services["the card agent"].__enter__()
    expect(person.page.locator("#sign")).to_be_enabled()


@pytest.mark.parametrize("language", LANGUAGES)
def test_blocked_and_expired(person: Person, demo: Demo, judge: Judge, language: str) -> None:
    """The deadline is moved in the database."""
    person.choose("brief.pdf", language)
    person.arrive()
    counter = PinCounter(demo.line.pin_counter)
    for _ in range(3):
        counter.use()
    person.page.click("#sign")
    expect(person.page.locator("#message")).to_be_visible()
    judge(person.page, "card-blocked")
    with closing(sqlite3.connect(demo.line.configuration.parent / "data" / "fts.sqlite3", timeout=10)) as database:
        database.execute("UPDATE signing SET deadline = 0 WHERE id = ?", (person.signing_id,))
        database.commit()
    assert person.end() == "expired"
    judge(person.page, "expired")


def test_at_twice_the_size_nothing_is_cut_off(person: Person, judge: Judge) -> None:
    """200 % zoom at 1280x800 is a page of 640x400 (WCAG 1.4.10)."""
    person.page.set_viewport_size({"width": 640, "height": 400})
    person.choose("report.pdf")
    person.arrive()
    judge(person.page, "zoomed")
    expect(person.page.locator(".phone")).to_be_hidden()
    assert not overflows(person.page)
    person.page.set_viewport_size({"width": 320, "height": 640})
    assert not overflows(person.page)


def test_a_telephone_is_told_that_it_has_no_card_reader(browser: Browser, demo: Demo, judge: Judge) -> None:
    """It is told so and not blocked (FTS-SIG-6)."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    person = Person(context.new_page(), demo.line.counter_url, demo.line.stack.pin)
    person.choose("brief.pdf", "nl")
    expect(person.page.locator(".phone")).to_be_visible()
    judge(person.page, "phone")
    assert not overflows(person.page)
    context.close()


def test_everything_can_be_done_with_the_keyboard(person: Person) -> None:
    person.choose("brief.pdf")
    person.arrive()
    press_until_focused(person.page, "decline")
    person.page.keyboard.press("Enter")
    expect(person.page.locator("#confirm-yes")).to_be_focused()
    person.page.keyboard.press("Escape")
    expect(person.page.locator("#decline")).to_be_focused()
    person.page.keyboard.press("Shift+Tab")
    expect(person.page.locator("#sign")).to_be_focused()
    with person.page.expect_popup() as opened:
        person.page.keyboard.press("Enter")
    window = opened.value
    expect(window.locator("#pin")).to_be_focused()
    window.keyboard.type(person.pin)
    window.keyboard.press("Enter")
    assert person.end() == "completed"
    expect(person.page.locator("#end-heading")).to_be_focused()
    press_until_focused(person.page, "stay")
    person.page.keyboard.press("Enter")
    expect(person.page.locator("#return")).to_be_focused()
    person.page.keyboard.press("Enter")
    person.page.wait_for_url("**/signings/*")


def press_until_focused(page: Page, part: str) -> None:
    for _ in range(60):
        if page.evaluate("document.activeElement?.id") == part:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{part} cannot be reached with the keyboard")


def overflows(page: Page) -> bool:
    wide: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wide
