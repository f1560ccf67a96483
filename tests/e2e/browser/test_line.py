"""The main line, in a browser from end to end: FTS-SIG-1, FTS-SIG-2, FTS-SIG-3, FTS-SIG-5, FTS-SIG-7, FTS-ENV-2."""

import hashlib
from pathlib import Path

import pytest
from playwright.sync_api import expect

from deploy.demo_browser import Person
from tests.e2e.browser.conftest import Demo
from tests.oracles.oracle import Oracle
from tests.samples.damaged import DAMAGED
from tests.samples.sound import SOUND

KINDS = (
    "fifty_kb",
    "many_pages",
    "xref_stream",
    "linearised_object_streams",
    "incremental_updates",
    "form",
    "form_empty_signature_field",
    "active_actions",
    "pdfa_2b",
    "encrypted_empty_user_password",
)


def check(oracle: Oracle, demo: Demo, signed: Path) -> None:
    """EU DSS, which shares no code with us, finds a valid signature at level LTA."""
    root = signed.with_name("root.pem")
    root.write_bytes(demo.line.stack.root_pem)
    assert oracle.validate(signed, [root]).verdict("LTA", timestamps=2) == []


@pytest.mark.parametrize("kind", KINDS)
def test_ten_kinds_of_pdf_come_back_at_lta(
    kind: str, person: Person, demo: Demo, oracle: Oracle, tmp_path: Path
) -> None:
    """Choose, sign with the PIN, come back, download."""
    upload, signed = tmp_path / f"{kind}.pdf", tmp_path / "signed.pdf"
    data = SOUND[kind]()
    upload.write_bytes(data)
    person.sign(upload, signed)
    assert signed.read_bytes().startswith(data), "the document that was uploaded is inside, octet for octet"
    check(oracle, demo, signed)


def test_a_damaged_document_is_rewritten_and_that_is_said(
    person: Person, demo: Demo, oracle: Oracle, tmp_path: Path
) -> None:
    """On the page, in the API and in the trail; what is signed is what was shown."""
    upload, signed = tmp_path / "damaged.pdf", tmp_path / "signed.pdf"
    data = DAMAGED["startxref_missing"].make()
    upload.write_bytes(data)
    person.choose(upload)
    person.arrive()
    expect(person.page.locator("#repaired")).to_be_visible()
    signing_id = person.page.url.rpartition("/")[2]
    person.type_pin(person.press_sign())
    assert person.end() == "completed"
    person.go_back()
    person.download(signed)
    check(oracle, demo, signed)
    repair = demo.account.signing(signing_id)["repair"]
    assert repair["original_sha256"] == hashlib.sha256(data).hexdigest()
    assert repair["findings"]
    ready = [event for event in demo.trail(signing_id) if event["kind"] == "document.ready"]
    assert ready[0]["data"]["rewritten_sha256"] == repair["rewritten_sha256"]
