"""What the line of a demo with one good card does not show: cards that change, hang or come in twos.

FTS-SIG-2, FTS-SIG-3, FTS-SIG-6, FTS-SIG-7.
"""

import base64
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.page.conftest import Open, certificate
from tests.support.page_stand import DIGEST, Stand

JAN, AN = certificate("Jan Janssens (Signature)"), certificate("An Peeters (Signature)")
NOT_ALLOWED = {"code": "SIGNER_NOT_ALLOWED", "detail": "another person must sign", "reference": "r"}


def name_in(page: Page, text: str) -> str:
    """Return the name that the page reads from a certificate."""
    found: str = page.evaluate(
        "(text) => import('/static/certificate.js').then(({ commonName }) => commonName(text))", text
    )
    return found


def test_a_refused_card_can_be_changed_for_another(opened: Open, stand: Stand) -> None:
    """The page reads the card again; the other person's name is shown before anything is signed."""
    stand.refuse = NOT_ALLOWED
    page = opened([JAN])
    expect(page.locator("#card strong")).to_have_text("Jan Janssens (Signature)")
    page.click("#sign")
    expect(page.locator("#message")).to_contain_text("another person")
    expect(page.locator("#sign")).to_be_focused()
    stand.refuse = None
    page.evaluate("(card) => { window.cards = [card]; }", AN)
    expect(page.locator("#card strong")).to_have_text("An Peeters (Signature)")
    expect(page.locator("#message")).to_be_hidden()
    page.click("#sign")
    expect(page.locator("#step-timestamp[data-at=now]")).to_be_visible()
    assert [body["certificate"] for body in stand.posted("certificate")] == [JAN, AN]
    assert page.evaluate("window.signed") == {"cert": AN, "digest": DIGEST, "pin": None}
    assert stand.posted("signature") == [{"digest": DIGEST, "signature": "AAAA"}]


def test_a_card_that_is_taken_out_is_missed(opened: Open) -> None:
    page = opened([JAN])
    expect(page.locator("#sign")).to_be_enabled()
    page.evaluate("window.cards = []")
    expect(page.locator("#card")).to_contain_text("No usable card")
    expect(page.locator("#sign")).to_be_disabled()


def test_of_two_cards_the_signer_chooses(opened: Open, stand: Stand) -> None:
    page = opened([JAN, AN])
    expect(page.locator("#cards")).to_be_visible()
    expect(page.locator("#sign")).to_be_disabled()
    page.get_by_label("An Peeters (Signature) (Reader 2)").check()
    expect(page.locator("#card strong")).to_have_text("An Peeters (Signature)")
    page.click("#sign")
    expect(page.locator("#step-timestamp[data-at=now]")).to_be_visible()
    assert stand.posted("certificate") == [{"certificate": AN, "chain": ["UkE="]}]


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_no_value_is_sent_while_the_signer_is_asked_whether_to_decline(opened: Open, stand: Stand, answer: str) -> None:
    page = opened([JAN])
    expect(page.locator("#sign")).to_be_enabled()
    page.evaluate("() => { window.signing = () => new Promise((resolve) => { window.answer = resolve; }); }")
    page.click("#sign")
    expect(page.locator("#step-pin[data-at=now]")).to_be_visible()
    expect(page.locator("#progress-heading")).to_be_focused()
    page.click("#decline")
    page.evaluate("window.answer({ result: 'OK', signature: 'AAAA' })")
    page.wait_for_timeout(300)
    assert stand.posted("signature") == []
    page.click(f"#confirm-{answer}")
    if answer == "yes":
        expect(page.locator("section.signature[data-end=declined]")).to_be_visible()
        assert stand.posted("signature") == []
    else:
        expect(page.locator("#step-timestamp[data-at=now]")).to_be_visible()
        assert len(stand.posted("signature")) == 1


def test_card_software_that_hangs_is_not_waited_for(opened: Open, stand: Stand) -> None:
    """VERSION has five seconds; then the page says so, and finds the card when the software answers again."""
    page = opened([JAN])
    page.add_init_script(
        "window.real = EIDChromeExt.prototype.getVersion;"
        "EIDChromeExt.prototype.getVersion = () => new Promise(() => {});"
    )
    page.reload()
    expect(page.locator("#card")).to_contain_text("does not answer")
    page.evaluate("() => { EIDChromeExt.prototype.getVersion = window.real; }")
    expect(page.locator("#sign")).to_be_enabled()
    assert {"result": "timeout"} in stand.posted("card-problem")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("pin_too_short", "4 to 12 digits"),
        ("pin_3_attempts_left", "PIN is wrong"),
        ("pin_timeout", "not entered in time"),
        ("card_blocked", "blocked"),
        ("cancel", "nothing was signed"),
        ("busy", "another program"),
        ("unsupported_reader", "another card reader"),
        ("never_heard_of", "could not sign"),
    ],
)
def test_every_result_of_the_card_is_said(opened: Open, stand: Stand, result: str, said: str) -> None:
    page = opened([JAN])
    expect(page.locator("#sign")).to_be_enabled()
    page.evaluate("(result) => { window.signing = () => Promise.reject({ result, message: result }); }", result)
    page.click("#sign")
    expect(page.locator("#message")).to_contain_text(said)
    expect(page.locator("#sign")).to_be_focused()
    for _ in range(100):
        if stand.posted("card-problem"):
            break
        page.wait_for_timeout(20)
    assert stand.posted("card-problem") == [{"result": result}]
    page.evaluate("() => { window.signing = () => Promise.resolve({ result: 'OK', signature: 'AAAA' }); }")
    page.click("#sign")
    expect(page.locator("#step-timestamp[data-at=now]")).to_be_visible()
    assert len(stand.posted("certificate")) == 1, "the prepared digest is signed"


def test_a_window_that_the_browser_refuses_opens_by_a_link(opened: Open, stand: Stand) -> None:
    """Only the demo's agent has a window; here its address is the stand's own."""
    stand.view = replace(stand.view, card_agent=f"{stand.url}/sign/none")
    page = opened(None)
    page.route("**/sign/none/message", _agent)
    page.route("**/sign/none/window?lang=en", lambda route: route.fulfill(body="<p>the window</p>"))
    page.evaluate("() => { window.open = () => null; }")
    expect(page.locator("#sign")).to_be_enabled()
    page.click("#sign")
    expect(page.locator("#message")).to_contain_text("did not let the window")
    with page.expect_popup():
        page.click("#open-window")
    expect(page.locator("#step-timestamp[data-at=now]")).to_be_visible()
    expect(page.locator("#open-window")).to_be_hidden()


def _agent(route: Route) -> None:
    """Answer as an agent with one card does."""
    operation = (route.request.post_data_json or {})["operation"]
    answers: dict[str, dict[str, Any]] = {
        "VERSION": {"version": "3.0"},
        "USERCERTS": {"Readers": [{"ReaderName": "Demo", "certificates": [JAN]}]},
        "CERTCHAIN": {"certificateChain": {"rootCA": "UkE=", "subCA": []}},
        "SIGN": {"signature": "AAAA"},
    }
    route.fulfill(json={"result": "OK", **answers[operation]})


def test_reloaded_while_it_is_finished_the_page_shows_progress_only(opened: Open, stand: Stand) -> None:
    stand.move("finishing")
    page = opened([JAN])
    expect(page.locator("#step-timestamp[data-at=now]")).to_be_visible()
    expect(page.locator("#work")).to_be_hidden()
    stand.move("completed")
    expect(page.locator("#end-heading")).to_be_focused()
    expect(page.locator("#countdown")).to_be_visible()
    page.reload()
    expect(page.locator("#return")).to_be_visible()
    expect(page.locator("#countdown")).to_be_hidden()


def test_a_failure_without_a_known_code_is_said_too(opened: Open, stand: Stand) -> None:
    page = opened([JAN])
    stand.move("failed")
    expect(page.locator("#end-text")).to_contain_text("quote the reference")


@pytest.mark.parametrize(
    ("user_agent", "is_known"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", True),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", True),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36 OPR/125.0", False),
        ("Mozilla/5.0 (X11; FreeBSD amd64; rv:145.0) Gecko/20100101 Firefox/145.0", False),
        ("Lynx/2.9", False),
    ],
)
def test_unknown_browsers_are_warned_not_stopped(opened: Open, user_agent: str, is_known: bool) -> None:
    page = opened([JAN], user_agent=user_agent)
    expect(page.locator("#sign")).to_be_enabled()
    expect(page.locator("#old")).to_be_visible(visible=not is_known)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (certificate("Zoë Lefèvre"), "Zoë Lefèvre"),
        (certificate("Zoë Lefèvre", bmp=True), "Zoë Lefèvre"),
        (certificate("\u202eJan\u0000\n<b>"), "Jan<b>"),
        ("", ""),
        ("!", ""),
        (base64.b64encode(b"\x30\x80" + bytes(8)).decode(), ""),
        (base64.b64encode(base64.b64decode(JAN)[:-1]).decode(), ""),
        (base64.b64encode(b"\x30\x84\xff\xff\xff\xff" + bytes(8)).decode(), ""),
    ],
)
def test_the_name_is_read_from_plain_der_only(opened: Open, text: str, name: str) -> None:
    assert name_in(opened([]), text) == name


def test_a_name_that_cannot_be_read_is_not_made_up(opened: Open) -> None:
    page = opened([base64.b64encode(bytes(40)).decode()])
    expect(page.locator("#card")).to_have_text("You sign as the holder of this card")
