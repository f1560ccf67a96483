"""What goes wrong at the card and in the browser: one sentence, one way forward, nothing signed twice.

FTS-SIG-2, FTS-SIG-3, FTS-SIG-7; cases W-2 and W-10.
"""

import pytest
from playwright.sync_api import BrowserContext, expect

from deploy.demo_browser import Person
from deploy.demo_pki.faults import Fault
from tests.e2e.browser.conftest import Demo

WRONG = "0000000"


def signing_of(person: Person) -> str:
    return person.page.url.partition("?")[0].rpartition("/")[2]


def kinds(demo: Demo, person: Person, signing_id: str = "") -> list[str]:
    return [event["kind"] for event in demo.trail(signing_id or signing_of(person))]


def test_wrong_pins_until_the_card_blocks(person: Person, demo: Demo) -> None:
    """Each try is a new request to the card over the same digest; a blocked card is said and the link stays good."""
    person.choose("brief.pdf")
    person.arrive()
    window = person.press_sign()
    for expected in ("2 attempts", "1 attempt", "blocked"):
        person.type_pin(window, WRONG)
        expect(person.page.locator("#message")).to_contain_text(expected)
        if expected != "blocked":
            person.press_sign_again(window)
    demo.unblock()
    person.page.click("#sign")
    expect(window.locator("#pin")).to_be_visible()
    person.type_pin(window)
    assert person.end() == "completed"
    events = kinds(demo, person)
    assert events.count("signing.card_problem") == 3
    assert events.count("signing.prepared") == 1, "the prepared digest was used again"
    assert events.count("signing.value_accepted") == 1


def test_the_window_is_closed(person: Person) -> None:
    person.choose("brief.pdf")
    person.arrive()
    person.press_sign().close()
    expect(person.page.locator("#message")).to_contain_text("nothing was signed")
    person.type_pin(person.press_sign())
    assert person.end() == "completed"


def test_the_agent_is_killed_while_the_pin_is_asked(person: Person, demo: Demo) -> None:
    """It is started again; the page finds the card by itself, and the signer goes on."""
    agent = demo.services["the card agent"]
    person.choose("brief.pdf")
    person.arrive()
    window = person.press_sign()
    agent.kill()
    expect(person.page.locator("#message")).to_contain_text("does not answer")
    window.close()
    agent.__enter__()
    expect(person.page.locator("#sign")).to_be_enabled()
    person.type_pin(person.press_sign())
    assert person.end() == "completed"
    assert kinds(demo, person).count("signing.completed") == 1


def test_the_page_is_reloaded_at_every_step(person: Person, demo: Demo) -> None:
    person.choose("brief.pdf")
    person.arrive()
    person.page.reload()
    person.arrive()
    window = person.press_sign()
    person.page.reload()
    window.close()
    expect(person.page.locator("#sign")).to_be_enabled()
    window = person.press_sign()
    demo.line.stack.services.faults["/tsa"] = Fault("slow", delay=1.0)
    try:
        person.type_pin(window)
        expect(person.page.locator("#step-timestamp[data-at=now]")).to_be_visible()
        person.page.reload()
        assert person.end() == "completed"
    finally:
        demo.line.stack.services.faults.clear()
    person.page.reload()
    assert person.end() == "completed"
    assert kinds(demo, person).count("signing.completed") == 1


def test_the_web_process_is_away_for_a_while(person: Person, demo: Demo) -> None:
    """The page says so and goes on when it is back."""
    web = demo.services["the gateway's web process"]
    person.choose("brief.pdf")
    person.arrive()
    window = person.press_sign()
    web.kill()
    person.type_pin(window)
    expect(person.page.locator("#connection")).to_contain_text("connection was lost")
    web.__enter__()
    assert person.end() == "completed"
    assert kinds(demo, person).count("signing.value_accepted") == 1


def test_the_link_is_opened_in_a_second_browser(person: Person, demo: Demo, context: BrowserContext) -> None:
    person.choose("brief.pdf")
    person.arrive()
    link = demo.account.signing(signing_of(person))["signing_url"]
    browser = context.browser
    assert browser is not None
    other = browser.new_context()
    try:
        second = Person(other.new_page(), demo.line.counter_url, demo.line.stack.pin)
        second.page.goto(link)
        second.arrive()
        expect(person.page.locator("#message")).to_contain_text("another window or browser")
        expect(person.page.locator("#sign")).to_be_hidden()
        second.type_pin(second.press_sign())
        assert second.end() == "completed"
    finally:
        other.close()
    assert kinds(demo, person).count("signing.completed") == 1


def test_the_client_cancels_while_the_pin_is_asked(person: Person, demo: Demo) -> None:
    person.choose("brief.pdf")
    person.arrive()
    window = person.press_sign()
    demo.account.api.post(f"/v1/signings/{signing_of(person)}/cancel").raise_for_status()
    assert person.end() == "cancelled"
    person.type_pin(window)
    assert person.end() == "cancelled"
    assert "signing.value_accepted" not in kinds(demo, person)


def test_the_counter_does_not_believe_the_address(person: Person, demo: Demo) -> None:
    """`status` in the return URL is a hint; a `state` of another browser's signing is refused."""
    person.choose("brief.pdf")
    person.arrive()
    signing_id = signing_of(person)
    person.page.goto(f"{demo.line.counter_url}/return?id={signing_id}&status=completed&state=guessed")
    expect(person.page.locator("body")).not_to_contain_text("Download")
    person.page.goto(f"{demo.line.counter_url}/signings/{signing_id}")
    expect(person.page.locator("a[download]")).to_have_count(0)


@pytest.mark.parametrize("result", ["OK", "pin_2_attempts_left"])
def test_the_browser_extension_is_taken_first(person: Person, demo: Demo, result: str) -> None:
    """An extension with BeIDConnect's interface (here: a stand-in that hands on to the agent) is used without a window.

    The reader's own keys ask the PIN; the page gives null.
    """
    person.page.add_init_script(EXTENSION % (demo.line.agent_url, result))
    person.choose("brief.pdf")
    expect(person.page.locator("#sign")).to_be_enabled()
    person.page.click("#sign")
    if result == "OK":
        window = person.page.context.new_page()
        window.goto(f"{demo.line.agent_url}/window?lang=en")
        expect(window.locator("#pin")).to_be_visible()
        person.type_pin(window)
        assert person.end() == "completed"
    else:
        expect(person.page.locator("#message")).to_contain_text("2 attempts")


EXTENSION = """
window.EIDChromeExt = class {
  async #ask(message) {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(message) };
    const answer = await (await fetch("%s/message", init)).json();
    if (answer.result !== "OK") throw { ...answer, message: answer.result };
    return answer;
  }
  getVersion() { return this.#ask({ operation: "VERSION" }); }
  getUserCertificates(language, mac, keyusage) { return this.#ask({ operation: "USERCERTS", keyusage }); }
  getUserCertificateChain(language, mac, cert) { return this.#ask({ operation: "CERTCHAIN", cert }); }
  async sign(language, mac, cert, algo, digest, pin) {
    const wanted = "%s";
    if (wanted !== "OK") throw { result: wanted, message: wanted };
    return this.#ask({ operation: "SIGN", cert, algo, digest, pin });
  }
};
"""
