"""XML and any file in a browser from end to end, what the signer sees of them, and what hostile ones cannot do.

FTS-SIG-1, FTS-SIG-5, FTS-SIG-6; case X-8: nothing in a document is ever run.
"""

import io
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from deploy.demo_browser import Person
from tests.bench.xml_documents import invoice
from tests.conformance.programs import run
from tests.e2e.browser.conftest import Demo, Judge
from tests.oracles.oracle import Oracle

UBL = invoice(6_000)
PAGE = b"<!doctype html><title>x</title><script>document.title = 'run'</script>"
HOSTILE = (
    '<?xml-stylesheet type="text/xsl" href="evil.xsl"?>\n<a xmlns:h="http://www.w3.org/1999/xhtml">\n'
    "<h:script>document.title = 'run'</h:script><h:img src='x' onerror='document.title=1'/>\n"
    "<!-- said beside --><amount>1\u202e000\u202c1</amount><to>A\u200bB&#x2066;</to>\n" + "x" * 10_000_000 + "\n</a>\n"
)
SIGNED_PROPERTIES = "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"


def check(oracle: Oracle, demo: Demo, signed: Path) -> None:
    """EU DSS finds a valid signature at level LTA."""
    root = signed.with_name("root.pem")
    root.write_bytes(demo.line.stack.root_pem)
    assert oracle.validate(signed, [root]).verdict("LTA", timestamps=2, form="XAdES") == []


def test_an_invoice_comes_back_at_lta(person: Person, demo: Demo, oracle: Oracle, judge: Judge, tmp_path: Path) -> None:
    """Shown as its own text; signed with the PIN; xmlsec1 and EU DSS agree."""
    upload, signed = tmp_path / "invoice.xml", tmp_path / "signed.xml"
    upload.write_bytes(UBL)
    person.choose(upload)
    person.arrive()
    shown = person.page.locator("#pages .xml-text").first.inner_text()
    assert shown.splitlines()[1:] == UBL.decode().splitlines()[1:]
    expect(person.page.locator("#as-text")).to_contain_text("Comments in the file are not signed")
    judge(person.page, "xml")
    person.type_pin(person.press_sign())
    assert person.end() == "completed"
    person.go_back()
    judge(person.page, "counter-xml")
    person.download(signed)
    check(oracle, demo, signed)
    root = signed.with_name("root.pem")
    judged = run("xmlsec1", "--verify", "--id-attr:Id", SIGNED_PROPERTIES, "--trusted-pem", root, signed)
    assert (judged.returncode, judged.stderr.startswith("OK")) == (0, True), judged.stderr


@pytest.mark.parametrize(("name", "data"), [("scan.png", b"\x89PNG\r\n\x1a\n" + bytes(5000)), ("page.html", PAGE)])
def test_any_file_comes_back_in_a_container(
    person: Person, demo: Demo, oracle: Oracle, judge: Judge, tmp_path: Path, name: str, data: bytes
) -> None:
    """It can be fetched and opened before signing; it is never opened by the page."""
    upload, fetched, signed = tmp_path / name, tmp_path / "fetched", tmp_path / "signed.asice"
    upload.write_bytes(data)
    person.choose(upload)
    person.arrive()
    expect(person.page.locator("#unshown")).to_be_visible()
    expect(person.page.locator(".fingerprint code")).to_be_visible()
    with person.page.expect_download() as download:
        person.page.focus("#download")
        person.page.keyboard.press("Enter")
    download.value.save_as(fetched)
    assert download.value.suggested_filename == name
    assert fetched.read_bytes() == data
    judge(person.page, "file")
    person.type_pin(person.press_sign())
    assert person.end() == "completed"
    person.go_back()
    expect(person.page.locator("li.good")).to_contain_text(["SHA-256", "holds the original"])
    person.download(signed)
    with zipfile.ZipFile(io.BytesIO(signed.read_bytes())) as container:
        assert container.read(name) == data
    check(oracle, demo, signed)


@pytest.mark.parametrize("language", ["nl", "fr", "de"])
@pytest.mark.parametrize(("name", "data"), [("invoice.xml", UBL), ("scan.png", b"\x89PNG")])
def test_in_the_other_languages(
    person: Person, judge: Judge, tmp_path: Path, language: str, name: str, data: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    person.choose(tmp_path / name, language)
    person.arrive()
    judge(person.page, f"form-{name.rpartition('.')[2]}")


def test_hostile_xml_is_text(person: Person, judge: Judge, tmp_path: Path) -> None:
    """No style sheet, script or image runs; characters that deceive are named; a line of ten megabytes is bounded."""
    upload = tmp_path / "hostile.xml"
    upload.write_text(HOSTILE)
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(request.url))
    person.choose(upload)
    person.arrive()
    shown = person.page.locator("#pages .xml-text").first.inner_text()
    for told in (
        '<?xml-stylesheet type="text/xsl" href="evil.xsl"?>',
        "<h:script>document.title = 'run'</h:script>",
        "<amount>1⟦U+202E⟧000⟦U+202C⟧1</amount><to>A⟦U+200B⟧B⟦U+2066⟧</to>",
        "<!-- said beside -->",
    ):
        assert told in shown
    assert len(shown) < 50_000
    assert person.page.locator("#pages figure").count() == 20
    expect(person.page.locator("#more")).to_have_text("Show more text")
    assert person.page.title() == "Sign a document"
    assert person.page.locator("#pages script, #pages img").count() == 0
    assert not [url for url in asked if "evil" in url or url.endswith("/x")]
    judge(person.page, "xml-hostile")
    person.page.focus("#pages .xml-text")
    person.page.keyboard.press("PageDown")
    text = person.page.locator("#pages .xml-text").first
    for _ in range(100):  # waiting inside the page would need eval there, which its policy refuses
        if text.evaluate("element => element.scrollTop") > 0:
            return
        person.page.wait_for_timeout(50)
    pytest.fail("the keyboard does not move the text")


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>", "XML_DOCTYPE"),
        (b"<a><b></a>", "XML_DAMAGED"),
    ],
)
def test_the_counter_says_what_is_wrong_with_xml(person: Person, tmp_path: Path, data: bytes, refusal: str) -> None:
    (tmp_path / "a.xml").write_bytes(data)
    person.choose(tmp_path / "a.xml")
    expect(person.page.locator("main")).to_contain_text(refusal)
