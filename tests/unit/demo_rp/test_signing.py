"""From the choice of a document to its destruction, against a gateway that follows the contract."""

import hashlib
import sqlite3
from collections.abc import Callable

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from demo_rp import limits
from tests.unit.demo_rp.conftest import PDF, Desk
from tests.unit.demo_rp.fake_gateway import APPENDED, problem


def test_a_sample_is_signed_and_collected(desk: Desk, browser: httpx.Client) -> None:
    """FTS-SIG-1, FTS-SIG-7, FTS-ENV-2: upload, sign, return, read, download."""
    assert "brief.pdf" in browser.get("/").text
    assert "notes.txt" not in browser.get("/").text
    empty = {"file": ("", b"", "application/octet-stream")}
    begun = browser.post("/sign", data={"document": "report.pdf", "language": "de"}, files=empty)
    assert begun.status_code == 303
    [signing] = desk.gateway.signings.values()
    assert begun.headers["location"] == signing["signing_url"]
    assert signing["language"] == "de"
    assert signing["return_url"] == f"{desk.url}/return"
    assert len(signing["opaque"]) >= 32
    assert desk.gateway.documents[signing["document"]]["name"] == "report.pdf"
    assert desk.gateway.contents[signing["document"]] == PDF + b"% another\n"
    [create] = [headers for method, path, headers in desk.gateway.requests if path == "/v1/signings"]
    assert create["idempotency-key"] == signing["document"]

    desk.gateway.finish(signing["id"])
    back = browser.get(desk.gateway.return_address(signing["id"]))
    assert (back.status_code, back.headers["location"]) == (303, f"/signings/{signing['id']}")
    page = browser.get(back.headers["location"])
    assert page.status_code == 200
    for told in ("The document is signed", "Camille Voorbeeld", "<dd>PAdES LTA</dd>", "24 Nov 2026, 09:30:01 UTC"):
        assert told in page.text
    assert signing["result"]["sha256"] in page.text
    assert "85073003328" not in page.text
    assert page.text.count('<li class="good">') == 2
    assert '<li class="bad">' not in page.text

    got = browser.get(f"/signings/{signing['id']}/content")
    assert got.content == PDF + b"% another\n" + APPENDED
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''report-signed.pdf"


def test_an_own_file_goes_before_a_sample(desk: Desk, browser: httpx.Client) -> None:
    files = {"file": ("C:\\files\\My\x07 contract é.PDF", PDF + b"own", "application/pdf")}
    assert browser.post("/sign", data={"document": "brief.pdf", "language": "nl"}, files=files).status_code == 303
    [document] = desk.gateway.documents.values()
    assert document["name"].endswith(".pdf")
    assert "\\" not in document["name"]
    assert document["sha256"] == hashlib.sha256(PDF + b"own").hexdigest()


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"document": "../secret.pdf", "language": "nl"}, 400, "CHOICE_MISSING"),
        ({"document": "notes.txt", "language": "nl"}, 400, "CHOICE_MISSING"),
        ({"language": "nl"}, 400, "CHOICE_MISSING"),
        ({"document": "brief.pdf", "language": "xx"}, 400, "REQUEST_INVALID"),
        ({"document": "brief.pdf"}, 400, "REQUEST_INVALID"),
        ({"document": "brief.pdf", "language": "nl", "a": "1", "b": "2", "c": "3"}, 400, "REQUEST_INVALID"),
    ],
)
def test_a_form_that_chooses_nothing(
    desk: Desk, browser: httpx.Client, fields: dict[str, str], status: int, code: str
) -> None:
    answer = browser.post("/sign", data=fields, files={"file": ("", b"", "application/octet-stream")})
    assert (answer.status_code, code in answer.text) == (status, True)
    assert not desk.gateway.requests


def test_an_upload_that_is_inspected_later(desk: Desk, browser: httpx.Client) -> None:
    desk.gateway.inspections = 3
    assert desk.begin(browser).status_code == 303


def test_an_inspection_that_does_not_end(desk: Desk, browser: httpx.Client) -> None:
    desk.gateway.inspections = 10_000
    answer = desk.begin(browser)
    assert (answer.status_code, "INSPECTION_SLOW" in answer.text) == (503, True)


def test_a_document_refused_at_once(desk: Desk, browser: httpx.Client) -> None:
    """Code, detail and remedy are shown, escaped, and nothing stays at the gateway (FTS-GDPR-5)."""
    answer = desk.begin(browser, b"no PDF at all")
    assert answer.status_code == 422
    for told in ("NOT_A_PDF", "does not begin with &lt;b&gt;%PDF-&lt;/b&gt;", "Remedy of NOT_A_PDF", "R-1234"):
        assert told in answer.text
    assert desk.gateway.documents == {}
    assert browser.get("/signings").text.count("<tr>") == 0


def test_a_document_refused_after_the_answer_202(desk: Desk, browser: httpx.Client) -> None:
    desk.gateway.inspections = 2
    desk.gateway.rejection = {"code": "DOCUMENT_ENCRYPTED", "title": "T", "detail": "it is locked", "remedy": "unlock"}
    answer = desk.begin(browser)
    assert answer.status_code == 422
    for told in ("DOCUMENT_ENCRYPTED", "it is locked", "unlock"):
        assert told in answer.text
    assert desk.gateway.documents == {}


def test_a_return_url_that_is_not_registered(desk: Desk, browser: httpx.Client) -> None:
    desk.gateway.return_urls.clear()
    answer = desk.begin(browser)
    assert (answer.status_code, "RETURN_URL_UNKNOWN" in answer.text) == (422, True)
    assert desk.gateway.documents == {}


@pytest.mark.parametrize("part", ["state", "browser", "id"])
def test_a_return_that_is_not_ours(
    desk: Desk, browser: httpx.Client, browsers: Callable[..., httpx.Client], part: str
) -> None:
    """FTS-SIG-7: the way back counts only with the state that this browser's signing was begun with."""
    signing = desk.begun(browser)
    address = desk.gateway.return_address(signing)
    if part == "state":
        address = address.replace("&state=", "&state=x")
    if part == "id":
        address = address.replace(f"id={signing}", "id=unknown")
    answer = (browsers() if part == "browser" else browser).get(address)
    assert (answer.status_code, "RETURN_UNKNOWN" in answer.text) == (403, True)


def test_the_status_in_the_url_is_not_believed(desk: Desk, browser: httpx.Client) -> None:
    signing = desk.begun(browser)
    address = desk.gateway.return_address(signing).replace("status=created", "status=completed")
    page = browser.get(browser.get(address).headers["location"])
    assert "The document is not signed yet" in page.text
    assert desk.gateway.signings[signing]["signing_url"] in page.text


@pytest.mark.parametrize("state", ["declined", "cancelled", "failed", "expired"])
def test_an_end_without_signature(desk: Desk, browser: httpx.Client, state: str) -> None:
    signing = desk.begun(browser)
    why = {"code": "CERTIFICATE_REVOKED", "title": "T", "detail": "revoked in May", "remedy": "get another card"}
    desk.gateway.finish(signing, state, problem=why if state == "failed" else None)
    page = browser.get(f"/signings/{signing}").text
    assert f'class="badge {state}"' in page
    assert "/content" not in page
    assert ("CERTIFICATE_REVOKED" in page and "revoked in May" in page and "get another card" in page) == (
        state == "failed"
    )
    answer = browser.get(f"/signings/{signing}/content")
    assert (answer.status_code, "SIGNING_NOT_COMPLETED" in answer.text) == (409, True)


def test_another_file_than_the_gateway_states(desk: Desk, browser: httpx.Client) -> None:
    signing = desk.begun(browser)
    desk.gateway.finish(signing)
    desk.gateway.signings[signing]["result"]["sha256"] = "0" * 64
    page = browser.get(f"/signings/{signing}").text
    assert "has another SHA-256 than the gateway states" in page
    assert "It begins with the original" in page
    assert "The signed document does not pass the checks" in page
    assert "/content" not in page


@pytest.mark.parametrize("content", [PDF[:-1] + b"x" + APPENDED, PDF, PDF[:-1], b""])
def test_a_file_that_does_not_begin_with_the_original(desk: Desk, browser: httpx.Client, content: bytes) -> None:
    signing = desk.begun(browser)
    desk.gateway.results[signing] = content
    desk.gateway.finish(signing)
    page = browser.get(f"/signings/{signing}").text
    assert "It is not the original with something added" in page
    assert page.count('<li class="good">') == 1
    assert "The signed document does not pass the checks" in page


@pytest.mark.parametrize("ours", [True, False])
def test_a_file_that_the_gateway_rewrote(desk: Desk, browser: httpx.Client, ours: bool) -> None:
    original = hashlib.sha256(PDF if ours else b"other").hexdigest()
    findings = ["xref <table> damaged"]
    desk.gateway.repair = {"original_sha256": original, "rewritten_sha256": "1" * 64, "findings": findings}
    signing = desk.begun(browser)
    desk.gateway.results[signing] = b"%PDF-1.7 rewritten" + APPENDED
    desk.gateway.finish(signing)
    page = browser.get(f"/signings/{signing}").text
    assert "xref &lt;table&gt; damaged" in page
    assert ("The original was damaged" in page) == ours
    assert ("rewrote another file than the original" in page) != ours
    assert ("The document is signed" in page) == ours


def test_destroyed_on_request(desk: Desk, browser: httpx.Client) -> None:
    """FTS-GDPR-2: one button destroys it at the gateway; pressing it again is no fault."""
    signing = desk.begun(browser)
    for _ in range(2):
        answer = browser.post(f"/signings/{signing}/delete")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/signings/{signing}")
    assert desk.gateway.documents == {}
    page = browser.get(f"/signings/{signing}").text
    assert "The document is destroyed" in page
    assert "/delete" not in page


def test_destroyed_by_the_gateway(desk: Desk, browser: httpx.Client) -> None:
    """FTS-GDPR-1: after the retention time the page says so instead of failing."""
    signing = desk.begun(browser)
    desk.gateway.signings.clear()
    page = browser.get(f"/signings/{signing}")
    assert (page.status_code, "The document is no longer kept" in page.text) == (200, True)


def test_each_browser_sees_its_own(desk: Desk, browser: httpx.Client, browsers: Callable[..., httpx.Client]) -> None:
    other = browsers()
    first, second = desk.begun(browser), desk.begun(other)
    assert first in browser.get("/signings").text
    assert second not in browser.get("/signings").text
    desk.gateway.finish(first)
    for path in (f"/signings/{first}", f"/signings/{first}/content"):
        assert other.get(path).status_code == 404
    assert other.post(f"/signings/{first}/delete").status_code == 404
    assert len(desk.gateway.documents) == 2


def test_what_is_over_is_forgotten(desk: Desk, browser: httpx.Client) -> None:
    """FTS-GDPR-1: nothing is remembered for longer than the gateway may keep the document."""
    first = desk.begun(browser)
    desk.shift = limits.KEPT * 1.01
    second = desk.begun(browser)
    listed = browser.get("/signings").text
    assert (first in listed, second in listed) == (False, True)


def test_no_document_and_no_cookie_in_the_state(desk: Desk, browser: httpx.Client) -> None:
    desk.begun(browser)
    cookie = browser.cookies["demo_rp_browser"]
    with sqlite3.connect(desk.settings.directory / "demo_rp.sqlite3") as connection:
        rows = repr(connection.execute("SELECT * FROM signing").fetchall())
    connection.close()
    assert hashlib.sha256(cookie.encode()).hexdigest() in rows
    assert cookie not in rows
    assert sorted(path.name.split("-")[0] for path in desk.settings.directory.iterdir()) == ["demo_rp.sqlite3"] * 3


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (problem(401, "CREDENTIALS_REQUIRED", "wrong"), 502, "CREDENTIALS_REQUIRED"),
        (problem(503, "OVERLOADED", "busy"), 503, "OVERLOADED"),
        (PlainTextResponse("<html>proxy</html>", 500), 502, "GATEWAY_ANSWER_UNEXPECTED"),
        (PlainTextResponse("no JSON"), 502, "GATEWAY_ANSWER_UNEXPECTED"),
        (PlainTextResponse("[" * 100_000), 502, "GATEWAY_ANSWER_UNEXPECTED"),
        (PlainTextResponse('{"id": "1", "state": "' + "x" * limits.ANSWER_BYTES + '"}'), 502, "ANSWER_UNEXPECTED"),
        (JSONResponse({"id": 1, "state": "ready"}), 502, "GATEWAY_ANSWER_UNEXPECTED"),
        (JSONResponse({"id": "d", "state": "ready"}), 502, "GATEWAY_ANSWER_UNEXPECTED"),
    ],
)
def test_odd_answers_of_the_gateway(
    desk: Desk, browser: httpx.Client, answer: PlainTextResponse, status: int, code: str
) -> None:
    desk.gateway.answer = answer
    page = desk.begin(browser)
    assert (page.status_code, code in page.text) == (status, True)
