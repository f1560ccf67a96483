"""What can go wrong between a document and its signature: each with its own code, nothing lost, nothing signed twice.

FTS-SIG-1, FTS-SIG-3, FTS-SIG-7, FTS-AUD-1; cases W-1, W-2, W-3, W-5, W-6, R-5, R-7, R-11, F-5, A-6 and O-4.
"""

import base64
import hashlib
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from deploy.demo_pki.faults import Fault
from deploy.demo_pki.pki import DemoPki, Entity
from tests.support.gateway import Browser, Gateway, sign_digest
from timestamping.clock import utc_now

ENDS = {f"signing.{end}" for end in ("completed", "declined", "cancelled", "failed", "expired")}


def code(answer: httpx.Response) -> str:
    """Return the code of a refusal, which always says what to do."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["remedy"]
    assert problem["detail"]
    assert problem["reference"] == answer.headers["x-request-id"]
    assert problem["status"] == answer.status_code
    return str(problem["code"])


def check_trail(gateway: Gateway, signing_id: str) -> list[str]:
    """Check that the trail and the effects agree, and return the kinds of events."""
    kinds = [event.kind for event in gateway.trail(signing_id)]
    signing = gateway.account.signing(signing_id)
    ends = [kind for kind in kinds if kind in ENDS]
    assert len(ends) <= 1
    assert kinds.count("signing.value_accepted") <= 1
    assert kinds.count("signing.created") == 1
    assert (signing["result"] is not None) == (ends == ["signing.completed"])
    if ends:
        assert ends == [f"signing.{signing['state']}"]
    return kinds


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@pytest.fixture
def signing(gateway: Gateway, pdf: bytes) -> dict[str, Any]:
    return gateway.account.new_signing(pdf)


@pytest.fixture
def browser(gateway: Gateway, signing: dict[str, Any]) -> Browser:
    return gateway.browser(signing)


def prepared(gateway: Gateway, browser: Browser) -> str:
    """Bring a signing to where a value is expected; return the digest."""
    browser.open().raise_for_status()
    browser.give_certificate(gateway.signer).raise_for_status()
    return str(browser.wait("prepared")["digest"])


def test_the_line(gateway: Gateway, signing: dict[str, Any], browser: Browser) -> None:
    end = browser.sign(gateway.signer)
    assert end["state"] == "completed"
    assert end["return_url"].endswith(f"/return?id={signing['id']}&status=completed")
    found = gateway.account.signing(signing["id"])
    content = gateway.account.api.get(f"/v1/signings/{signing['id']}/content")
    assert hashlib.sha256(content.content).hexdigest() == found["result"]["sha256"]
    assert found["result"]["level"] == "LTA"
    assert check_trail(gateway, signing["id"]) == [
        "document.uploaded",
        "document.ready",
        "signing.created",
        "signing.opened",
        "signing.certificate_given",
        "signing.prepared",
        "signing.value_accepted",
        "signing.completed",
        "signing.downloaded",
    ]


def test_the_opaque_state_comes_back(gateway: Gateway, pdf: bytes) -> None:
    signing = gateway.account.new_signing(pdf, state="a&b=c d/ü")
    end = gateway.browser(signing).sign(gateway.signer)
    assert httpx.URL(end["return_url"]).params["state"] == "a&b=c d/ü"


class TestCertificates:
    """A refused certificate lets the signer take another card; the link stays good."""

    def test_another_person_then_the_right_one(self, gateway: Gateway, pdf: bytes) -> None:
        right = gateway.pki.signers["rsa3072"]
        [number] = right.certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
        signing = gateway.account.new_signing(pdf, signer={"identification_number": number.value})
        browser = gateway.browser(signing)
        refused = browser.sign(gateway.signer)
        assert (refused["state"], refused["problem"]["code"]) == ("opened", "SIGNER_NOT_ALLOWED")
        assert browser.sign(right)["state"] == "completed"
        assert "signing.certificate_refused" in check_trail(gateway, signing["id"])

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("authentication", "CERTIFICATE_USAGE"),
            ("expired", "CERTIFICATE_EXPIRED"),
            ("revoked", "CERTIFICATE_REVOKED"),
            ("foreign", "CERTIFICATE_UNTRUSTED"),
        ],
    )
    def test_a_certificate_that_must_not_sign(
        self, gateway: Gateway, browser: Browser, signing: dict[str, Any], kind: str, expected: str
    ) -> None:
        refused = browser.sign(issued(gateway, kind))
        assert (refused["state"], refused["problem"]["code"]) == ("opened", expected)
        assert browser.sign(gateway.signer)["state"] == "completed"
        check_trail(gateway, signing["id"])

    @pytest.mark.parametrize("octets", [b"", b"x", b"\x30\x03\x02\x01\x05", b"\x30" + b"\xff" * 4000, b"x" * 9000])
    def test_what_is_no_certificate(self, browser: Browser, octets: bytes) -> None:
        browser.open().raise_for_status()
        refused = browser.post("certificate", {"certificate": text(octets), "chain": []})
        assert code(refused) == "CERTIFICATE_MALFORMED"
        assert browser.state()["state"] == "opened"


def issued(gateway: Gateway, kind: str) -> Entity:
    """Issue a certificate that must not sign here."""
    match kind:
        case "authentication":
            return gateway.pki.issue_signer("authentication", "p256", key_usage="digital_signature")
        case "expired":
            return gateway.pki.issue_signer("expired", "p256", not_after=utc_now() - timedelta(days=1))
        case "revoked":
            signer = gateway.pki.issue_signer("revoked", "p256")
            gateway.pki.revoke(signer.certificate)
            return signer
        case _:
            return DemoPki.create(gateway.directory / "foreign", base_url="http://127.0.0.1:1").signers["p384"]


class TestValues:
    """The value must be one over the prepared digest, by the prepared certificate's key."""

    def refused(self, gateway: Gateway, browser: Browser, digest: str, value: bytes, expected: str) -> None:
        answer = browser.post("signature", {"digest": digest, "signature": text(value)})
        assert code(answer) == expected
        assert browser.state()["state"] == "prepared"

    def test_wrong_ones_change_nothing_and_the_right_one_still_counts(
        self, gateway: Gateway, browser: Browser, signing: dict[str, Any]
    ) -> None:
        digest = prepared(gateway, browser)
        right = sign_digest(gateway.signer, base64.b64decode(digest))
        other = hashlib.sha256(b"another document").digest()
        self.refused(gateway, browser, text(other), sign_digest(gateway.signer, other), "DIGEST_NOT_PREPARED")
        self.refused(gateway, browser, digest, sign_digest(gateway.signer, other), "SIGNATURE_MISMATCH")
        stranger = sign_digest(gateway.pki.signers["rsa3072"], base64.b64decode(digest))
        self.refused(gateway, browser, digest, stranger, "SIGNATURE_MISMATCH")
        self.refused(gateway, browser, digest, right[:-1], "SIGNATURE_MISMATCH")
        self.refused(gateway, browser, digest, b"", "SIGNATURE_MISMATCH")
        r, s = decode_dss_signature(right)
        plain = r.to_bytes(48) + s.to_bytes(48)
        browser.post("signature", {"digest": digest, "signature": text(plain)}).raise_for_status()
        again = browser.give_value(gateway.signer, digest)
        assert again.status_code == 202, "the same step again changes nothing"
        assert browser.wait("completed")["state"] == "completed"
        assert browser.give_value(gateway.signer, digest).status_code == 202
        check_trail(gateway, signing["id"])

    def test_another_certificate_makes_another_digest(self, gateway: Gateway, browser: Browser) -> None:
        first = prepared(gateway, browser)
        second_signer = gateway.pki.signers["rsa3072"]
        browser.give_certificate(second_signer).raise_for_status()
        second = browser.wait("prepared")["digest"]
        assert second != first
        assert code(browser.give_value(gateway.signer, first)) == "DIGEST_NOT_PREPARED"
        browser.give_value(second_signer, second).raise_for_status()
        assert browser.wait("completed")["state"] == "completed"

    def test_before_anything_is_prepared(self, gateway: Gateway, browser: Browser) -> None:
        browser.open().raise_for_status()
        digest = text(bytes(32))
        assert code(browser.post("signature", {"digest": digest, "signature": digest})) == "SIGNING_STATE"


class TestLinks:
    """Who has the link has the signing; nobody else learns anything."""

    def test_a_guess_and_an_unknown_id_get_the_same_answer(self, gateway: Gateway, signing: dict[str, Any]) -> None:
        guessed = gateway.browser_at(f"{gateway.url}/sign/{signing['id']}#{'A' * 43}").open()
        unknown = gateway.browser_at(f"{gateway.url}/sign/{'0' * 32}#{'A' * 43}").open()
        assert code(guessed) == code(unknown) == "LINK_INVALID"
        assert guessed.json()["detail"] == unknown.json()["detail"]
        assert gateway.account.signing(signing["id"])["state"] == "created"

    def test_looking_at_the_address_spends_nothing(self, gateway: Gateway, signing: dict[str, Any]) -> None:
        """A link scanner fetches the page; the secret is in the fragment, which it cannot send."""
        address = signing["signing_url"].partition("#")[0]
        known = httpx.get(address)
        assert known.status_code == 200
        unknown = httpx.get(f"{gateway.url}/sign/{'0' * 32}")
        assert known.text == unknown.text
        assert gateway.account.signing(signing["id"])["state"] == "created"

    def test_the_second_browser_takes_over(self, gateway: Gateway, signing: dict[str, Any], browser: Browser) -> None:
        digest = prepared(gateway, browser)
        second = gateway.browser(signing)
        second.open().raise_for_status()
        assert code(browser.http.get(f"{browser.path}/state")) == "SESSION_REPLACED"
        assert code(browser.give_value(gateway.signer, digest)) == "SESSION_REPLACED"
        assert second.state()["digest"] == digest, "what was prepared is not lost"
        second.give_value(gateway.signer, digest).raise_for_status()
        assert second.wait("completed")["state"] == "completed"
        check_trail(gateway, signing["id"])

    def test_a_reload_goes_on_in_every_state(self, gateway: Gateway, browser: Browser) -> None:
        browser.open().raise_for_status()
        for step in (lambda: None, lambda: prepared(gateway, browser)):
            step()
            page = browser.http.get(browser.path)
            assert page.status_code == 200
            assert 'id="sign"' in page.text
        browser.give_value(gateway.signer, browser.state()["digest"]).raise_for_status()
        assert 'id="sign"' in browser.http.get(browser.path).text
        browser.wait("completed")
        assert 'data-state="completed"' in browser.http.get(browser.path).text

    def test_no_session_no_page(self, gateway: Gateway, browser: Browser) -> None:
        for what in ("state", "pages/1.png", "pages/1.txt"):
            assert code(browser.http.get(f"{browser.path}/{what}")) == "SESSION_REQUIRED"
        for what, body in (
            ("certificate", {"certificate": "", "chain": []}),
            ("signature", {"digest": "", "signature": ""}),
            ("decline", {}),
            ("card-problem", {"result": "no_card"}),
        ):
            assert code(browser.post(what, body)) == "SESSION_REQUIRED"

    def test_another_sites_page_can_do_nothing(self, gateway: Gateway, browser: Browser) -> None:
        browser.open().raise_for_status()
        for origin in ("https://evil.example", "null", f"{gateway.url}.evil.example"):
            answer = browser.http.post(f"{browser.path}/decline", json={}, headers={"origin": origin})
            assert code(answer) == "ORIGIN_REFUSED"
        assert browser.state()["state"] == "opened"

    def test_late(self, gateway: Gateway, signing: dict[str, Any], browser: Browser) -> None:
        """The deadline is moved in the database; the sweep is not waited for."""
        digest = prepared(gateway, browser)
        with moved(gateway) as database:
            database.execute("UPDATE signing SET deadline = 0 WHERE id = ?", (signing["id"],))
        late = browser.give_value(gateway.signer, digest)
        assert code(late) == "SIGNING_EXPIRED"
        assert code(gateway.browser(signing).open()) == "SIGNING_EXPIRED"
        assert browser.wait("expired")["state"] == "expired"
        check_trail(gateway, signing["id"])


@contextmanager
def moved(gateway: Gateway) -> Iterator[sqlite3.Connection]:
    """Change rows behind the gateway's back, to move time."""
    database = sqlite3.connect(gateway.directory / "data" / "fts.sqlite3", timeout=10)
    try:
        with database:
            yield database
    finally:
        database.close()


class TestEnds:
    """Whoever ends it, it ends once."""

    @pytest.mark.parametrize("far", ["created", "opened", "prepared"])
    def test_the_client_cancels(self, gateway: Gateway, signing: dict[str, Any], browser: Browser, far: str) -> None:
        digest = ""
        if far != "created":
            browser.open().raise_for_status()
        if far == "prepared":
            digest = prepared(gateway, browser)
        cancel = gateway.account.api.post(f"/v1/signings/{signing['id']}/cancel")
        assert cancel.json()["state"] == "cancelled"
        assert gateway.account.api.post(f"/v1/signings/{signing['id']}/cancel").status_code == 200
        if far == "prepared":
            assert code(browser.give_value(gateway.signer, digest)) == "SIGNING_ENDED"
        assert code(gateway.browser(signing).open()) == "SIGNING_ENDED"
        check_trail(gateway, signing["id"])

    def test_the_signer_declines(self, gateway: Gateway, signing: dict[str, Any], browser: Browser) -> None:
        digest = prepared(gateway, browser)
        assert browser.post("decline", {}).json()["state"] == "declined"
        assert browser.post("decline", {}).json()["state"] == "declined"
        assert code(browser.give_value(gateway.signer, digest)) == "SIGNING_ENDED"
        refused = gateway.account.api.post(f"/v1/signings/{signing['id']}/cancel")
        assert code(refused) == "SIGNING_ENDED"
        assert code(gateway.account.api.get(f"/v1/signings/{signing['id']}/content")) == "SIGNING_NOT_COMPLETED"
        check_trail(gateway, signing["id"])

    def test_nobody_ends_it_once_the_signer_has_signed(
        self, gateway: Gateway, signing: dict[str, Any], browser: Browser
    ) -> None:
        digest = prepared(gateway, browser)
        with gateway.fault("/tsa", Fault("slow", delay=1.0)):
            browser.give_value(gateway.signer, digest).raise_for_status()
            assert code(gateway.account.api.post(f"/v1/signings/{signing['id']}/cancel")) == "SIGNING_FINISHING"
            assert code(browser.post("decline", {})) == "SIGNING_FINISHING"
            deletion = gateway.account.api.delete(f"/v1/documents/{signing['document']}")
            assert code(deletion) == "DOCUMENT_IN_USE"
            assert browser.wait("completed", "failed")["state"] == "completed"
        check_trail(gateway, signing["id"])

    def test_cancel_and_value_at_the_same_moment(self, gateway: Gateway, pdf: bytes) -> None:
        for _ in range(5):
            signing = gateway.account.new_signing(pdf)
            browser = gateway.browser(signing)
            digest = prepared(gateway, browser)
            with ThreadPoolExecutor(2) as both:
                value = both.submit(browser.give_value, gateway.signer, digest)
                cancel = both.submit(gateway.account.api.post, f"/v1/signings/{signing['id']}/cancel")
            assert (value.result().status_code == 202) != (cancel.result().status_code == 200)
            gateway.account.ended(signing["id"])
            check_trail(gateway, signing["id"])

    def test_the_document_is_deleted(self, gateway: Gateway, signing: dict[str, Any], browser: Browser) -> None:
        digest = prepared(gateway, browser)
        assert gateway.account.api.delete(f"/v1/documents/{signing['document']}").status_code == 204
        assert code(browser.give_value(gateway.signer, digest)) == "SESSION_REQUIRED"
        assert code(gateway.account.api.get(f"/v1/signings/{signing['id']}")) == "SIGNING_NOT_FOUND"
        kinds = [event.kind for event in gateway.trail(signing["id"])]
        assert kinds[-3:] == ["signing.cancelled", "document.deletion_ordered", "document.destroyed"]

    def test_the_stored_document_is_replaced(
        self, gateway: Gateway, signing: dict[str, Any], browser: Browser, pdf: bytes
    ) -> None:
        """Case F-5: whoever gets at the store cannot have other bytes signed."""
        digest = prepared(gateway, browser)
        with moved(gateway) as database:
            [name] = database.execute("SELECT object FROM document WHERE id = ?", (signing["document"],)).fetchone()
        path = gateway.directory / "data" / "objects" / name
        octets = path.read_bytes()
        path.write_bytes(octets[:-20] + bytes([octets[-20] ^ 1]) + octets[-19:])
        browser.give_value(gateway.signer, digest).raise_for_status()
        end = browser.wait("failed", "completed")
        assert (end["state"], end["problem"]["code"]) == ("failed", "DOCUMENT_CHANGED")
        check_trail(gateway, signing["id"])


class TestTrustServices:
    """Another party's failure is tried again within the budget; then the signing fails and names it."""

    def test_the_authority_is_down(self, gateway: Gateway, signing: dict[str, Any], browser: Browser) -> None:
        digest = prepared(gateway, browser)
        with gateway.fault("/tsa", Fault("down")):
            browser.give_value(gateway.signer, digest).raise_for_status()
            assert browser.wait("failed")["problem"]["code"] == "TIMESTAMP_UNAVAILABLE"
        problem = gateway.account.signing(signing["id"])["problem"]
        assert problem["party"] == f"{gateway.pki.base_url}/tsa"
        assert "signing.tried_again" in check_trail(gateway, signing["id"])

    def test_the_authority_is_down_for_a_moment(
        self, gateway: Gateway, signing: dict[str, Any], browser: Browser
    ) -> None:
        digest = prepared(gateway, browser)
        with gateway.fault("/tsa", Fault("down")):
            browser.give_value(gateway.signer, digest).raise_for_status()
            time.sleep(0.3)
        assert browser.wait("completed", "failed")["state"] == "completed"
        check_trail(gateway, signing["id"])

    @pytest.mark.parametrize(
        ("fault", "expected"), [("down", "REVOCATION_UNAVAILABLE"), ("unknown", "REVOCATION_UNKNOWN")]
    )
    def test_the_revocation_service(
        self, gateway: Gateway, signing: dict[str, Any], browser: Browser, fault: Any, expected: str
    ) -> None:
        """No LTA without an answer about the signer that is younger than the signature; a CRL does not replace it."""
        digest = prepared(gateway, browser)
        with gateway.fault("/ocsp", Fault(fault)):
            browser.give_value(gateway.signer, digest).raise_for_status()
            assert browser.wait("failed")["problem"]["code"] == expected
        check_trail(gateway, signing["id"])

    def test_revoked_between_the_digest_and_the_value(self, gateway: Gateway, pdf: bytes) -> None:
        signer = gateway.pki.issue_signer("revoked-meanwhile", "p256")
        signing = gateway.account.new_signing(pdf)
        browser = gateway.browser(signing)
        browser.open().raise_for_status()
        browser.give_certificate(signer).raise_for_status()
        digest = browser.wait("prepared")["digest"]
        gateway.pki.revoke(signer.certificate)
        browser.give_value(signer, digest).raise_for_status()
        assert browser.wait("failed")["problem"]["code"] == "CERTIFICATE_REVOKED"
        check_trail(gateway, signing["id"])


class TestRepetition:
    """A repeated request has one effect and the same answer (case A-6)."""

    def test_the_same_order_with_the_same_key(self, gateway: Gateway, pdf: bytes) -> None:
        document = gateway.account.upload(pdf).json()["id"]
        with ThreadPoolExecutor(6) as clients:
            orders = [clients.submit(gateway.account.order, document, key=document) for _ in range(12)]
        answers = [order.result() for order in orders]
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        gateway.browser(answers[0].json()).open().raise_for_status()
        assert gateway.account.order(document, key=document).text == answers[0].text
        other = gateway.account.order(document, key=document, language="fr")
        assert code(other) == "IDEMPOTENCY_MISMATCH"

    def test_the_same_document_again(self, gateway: Gateway, pdf: bytes) -> None:
        first = gateway.account.upload(pdf, "same-document")
        assert gateway.account.upload(pdf, "same-document").json() == first.json()
        assert code(gateway.account.upload(pdf + b"\n", "same-document")) == "DOCUMENT_EXISTS"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/return/",
        "http://127.0.0.1:1/returnX",
        "http://127.0.0.1:1/return?x=1",
        "http://127.0.0.1:1/return#x",
        "HTTP://127.0.0.1:1/return",
        "http://127.0.0.1:1/Return",
        "http://127.0.0.1:1@evil.example/return",
        "http://127.0.0.1:1.evil.example/return",
        "//evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://127.0.0.1:1\\return",
        "http://127.0.0.1:1/return\n",
        " http://127.0.0.1:1/return",
    ],
)
def test_only_registered_return_urls(gateway: Gateway, pdf: bytes, url: str) -> None:
    """Case W-1: octet for octet."""
    document = gateway.account.upload(pdf, "return-urls").json()["id"]
    assert code(gateway.account.order(document, return_url=url)) == "RETURN_URL_UNKNOWN"
