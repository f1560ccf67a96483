"""Messages of the gateway: who made them, when, and once (Standard Webhooks)."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from demo_rp import limits
from demo_rp.gateway import WebhookError, verify_webhook
from tests.unit.demo_rp.conftest import WEBHOOK_SECRET, Desk
from tests.unit.demo_rp.fake_gateway import message, problem

SECRET = bytes(range(32))
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
BODY = message("signing.completed", "s1")


def headers(**changes: str) -> dict[str, str]:
    signed = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": Webhook(WEBHOOK_SECRET).sign("msg_1", NOW, BODY),
    }
    return signed | {name.replace("_", "-"): value for name, value in changes.items()}


def test_a_message_of_the_standard_library_is_right() -> None:
    verified = verify_webhook(SECRET, headers(), BODY.encode(), NOW)
    assert verified == ("msg_1", {"type": "signing.completed", "signing": "s1"})


def test_one_right_signature_of_several_is_enough() -> None:
    """A gateway that replaces its secret signs with both for a while."""
    several = f"v1,AAAA v1a,BBBB {headers()['webhook-signature']}"
    assert verify_webhook(SECRET, headers(webhook_signature=several), BODY.encode(), NOW)[0] == "msg_1"


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_id": "msg_2"},
        {"webhook_id": ""},
        {"webhook_id": "m" * 257},
        {"webhook_timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook_timestamp": ""},
        {"webhook_timestamp": "-1"},
        {"webhook_timestamp": "²"},
        {"webhook_timestamp": "1e9"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_signature": ""},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v2," + headers()["webhook-signature"][3:]},
        {"webhook_signature": headers()["webhook-signature"][3:]},
        {"webhook_signature": headers()["webhook-signature"][:-4] + "AAA="},
        {"webhook_signature": "v1,é"},
    ],
)
def test_a_message_that_is_not_the_gateways(changes: dict[str, str]) -> None:
    with pytest.raises(WebhookError):
        verify_webhook(SECRET, headers(**changes), BODY.encode(), NOW)


def test_another_body_or_secret() -> None:
    with pytest.raises(WebhookError):
        verify_webhook(SECRET, headers(), BODY.encode() + b" ", NOW)
    with pytest.raises(WebhookError):
        verify_webhook(SECRET[::-1], headers(), BODY.encode(), NOW)


@pytest.mark.parametrize(("seconds", "taken"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_the_tolerance_is_five_minutes(seconds: int, taken: bool) -> None:
    now = NOW + timedelta(seconds=seconds)
    if taken:
        verify_webhook(SECRET, headers(), BODY.encode(), now)
    else:
        with pytest.raises(WebhookError, match="too old, or from the future"):
            verify_webhook(SECRET, headers(), BODY.encode(), now)


@pytest.mark.parametrize("body", ["", "[]", "{", "[" * 5000, '{"type": "t"}', '{"type": "t", "data": "id"}'])
def test_a_signed_message_that_is_not_as_described(body: str) -> None:
    signature = Webhook(WEBHOOK_SECRET).sign("msg_1", NOW, body)
    with pytest.raises(WebhookError):
        verify_webhook(SECRET, headers(webhook_signature=signature), body.encode(), NOW)


def test_a_message_makes_the_counter_read_the_signing(desk: Desk, browser: httpx.Client) -> None:
    """FTS-SIG-7: the message is a hint; what counts is what the API says."""
    signing = desk.begun(browser)
    assert "No message of the gateway has arrived yet" in browser.get(f"/signings/{signing}").text
    desk.gateway.finish(signing, "declined")
    assert desk.tell("signing.completed", signing).status_code == 204
    assert 'class="badge declined"' in browser.get("/signings").text
    page = browser.get(f"/signings/{signing}").text
    assert "arrived and its signature is right" in page
    assert "signing.completed" in page


def test_a_message_is_dealt_with_once(desk: Desk, browser: httpx.Client) -> None:
    signing = desk.begun(browser)
    assert desk.tell("signing.failed", signing, "msg_7").status_code == 204
    before = len(desk.gateway.requests)
    assert desk.tell("signing.completed", signing, "msg_7").status_code == 204
    assert len(desk.gateway.requests) == before
    assert "signing.failed" in browser.get(f"/signings/{signing}").text


def test_a_message_is_taken_again_when_the_gateway_could_not_be_read(desk: Desk, browser: httpx.Client) -> None:
    signing = desk.begun(browser)
    desk.gateway.finish(signing)
    desk.gateway.answer = problem(503, "OVERLOADED", "busy")
    assert desk.tell("signing.completed", signing).status_code == 503
    desk.gateway.answer = None
    assert desk.tell("signing.completed", signing).status_code == 204
    assert 'class="badge completed"' in browser.get("/signings").text


def test_a_message_about_a_destroyed_signing(desk: Desk, browser: httpx.Client) -> None:
    signing = desk.begun(browser)
    desk.gateway.signings.clear()
    assert desk.tell("signing.cancelled", signing).status_code == 204
    browser.post(f"/signings/{signing}/delete")
    assert desk.tell("signing.cancelled", signing, "msg_2").status_code == 204
    assert "The document is destroyed" in browser.get(f"/signings/{signing}").text


def test_a_message_about_a_signing_of_somebody_else(desk: Desk) -> None:
    assert desk.tell("signing.completed", "unknown").status_code == 204
    assert desk.gateway.requests == []


def test_a_forged_message_changes_nothing(desk: Desk, browser: httpx.Client) -> None:
    signing = desk.begun(browser)
    before = len(desk.gateway.requests)
    assert desk.tell("signing.completed", signing, secret="whsec_" + "A" * 32).status_code == 400
    assert len(desk.gateway.requests) == before
    answer = httpx.post(f"{desk.url}/webhook", json=json.loads(BODY), trust_env=False)
    assert answer.status_code == 400
    assert desk.tell("signing.completed", signing).status_code == 204


def test_a_message_that_is_too_large(desk: Desk) -> None:
    answer = httpx.post(f"{desk.url}/webhook", content=b"x" * (limits.WEBHOOK_BYTES + 1), trust_env=False)
    assert answer.status_code == 413
    answer = httpx.post(f"{desk.url}/webhook", content=iter([b"x" * limits.WEBHOOK_BYTES, b"x"]), trust_env=False)
    assert answer.status_code == 413
