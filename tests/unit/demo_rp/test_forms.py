"""PDF, XML and any file at the counter: the profile, the names, and what it checks of what comes back (FTS-SIG-5)."""

import io
import zipfile

import httpx
import pytest

from demo_rp.forms import form_of, signed_name
from tests.unit.demo_rp.conftest import Desk

XML = b"<a>1</a>"
PNG = b"\x89PNG and more"


def container(files: dict[str, bytes]) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return octets.getvalue()


@pytest.mark.parametrize(
    ("name", "media_type", "profile", "result"),
    [
        ("a.pdf", "application/pdf", "PADES_LTA", "a-signed.pdf"),
        ("a.b.PDF", "application/pdf", "PADES_LTA", "a.b-signed.pdf"),
        ("a.xml", "application/xml", "XADES_LTA", "a-signed.xml"),
        ("a.png", "image/png", "ASIC_E_XADES_LTA", "a.asice"),
        ("a.wsdl", "application/octet-stream", "ASIC_E_XADES_LTA", "a.asice"),
        ("a.tar.gz", "application/octet-stream", "ASIC_E_XADES_LTA", "a.tar.asice"),
        ("README", "application/octet-stream", "ASIC_E_XADES_LTA", "README.asice"),
        ("a.asice", "application/vnd.etsi.asic-e+zip", "ASIC_E_XADES_LTA", "a-signed.asice"),
    ],
)
def test_the_form_follows_the_name(name: str, media_type: str, profile: str, result: str) -> None:
    assert (form_of(name).media_type, form_of(name).profile, signed_name(name)) == (media_type, profile, result)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("C:\\files\\My scan.PNG", "My scan.png"),
        ("../../x.xml", "x.xml"),
        (".pdf", "document.pdf"),
        ("..", "document"),
        ("README", "README"),
        ("a." + "b" * 40, "a." + "b" * 40),
        ("n" * 300 + ".xml", "n" * 120 + ".xml"),
    ],
)
def test_names_of_files(desk: Desk, browser: httpx.Client, given: str, kept: str) -> None:
    assert desk.begin(browser, b"%PDF-1.7", given).status_code == 303
    [document] = desk.gateway.documents.values()
    assert document["name"] == kept


def begun(desk: Desk, browser: httpx.Client, content: bytes, name: str) -> str:
    answer = desk.begin(browser, content, name)
    assert answer.status_code == 303, answer.text
    return next(reversed(desk.gateway.signings))


def test_xml_comes_back_as_xml(desk: Desk, browser: httpx.Client) -> None:
    signing = begun(desk, browser, XML, "invoice.xml")
    assert desk.gateway.signings[signing]["profile"] == "XADES_LTA"
    desk.gateway.results[signing] = b"<a>1<ds:Signature/></a>"
    desk.gateway.finish(signing)
    page = browser.get(f"/signings/{signing}").text
    for told in ("The document is signed", "<dd>XAdES LTA</dd>", "was written anew to take in the signature"):
        assert told in page
    got = browser.get(f"/signings/{signing}/content")
    assert got.headers["content-type"] == "application/xml"
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''invoice-signed.xml"


def test_a_file_comes_back_in_a_container(desk: Desk, browser: httpx.Client) -> None:
    signing = begun(desk, browser, PNG, "scan.png")
    assert desk.gateway.signings[signing]["profile"] == "ASIC_E_XADES_LTA"
    desk.gateway.results[signing] = container({"mimetype": b"x", "scan.png": PNG})
    desk.gateway.finish(signing)
    page = browser.get(f"/signings/{signing}").text
    for told in ("The document is signed", "<dd>ASiC-E XAdES LTA</dd>", "holds the original, octet for octet"):
        assert told in page
    got = browser.get(f"/signings/{signing}/content")
    assert got.headers["content-type"] == "application/vnd.etsi.asic-e+zip"
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''scan.asice"


@pytest.mark.parametrize(
    "result",
    [
        container({"scan.png": PNG[:-1] + b"x"}),
        container({"scan.png": PNG + b"x"}),
        container({"scan.png": bytes(50_000_000)}),
        container({"other.png": PNG}),
        container({"scan.png": PNG})[:-4],
        PNG,
        b"",
    ],
    ids=["changed", "longer", "bomb", "another", "cut", "no container", "nothing"],
)
def test_a_container_without_the_original(desk: Desk, browser: httpx.Client, result: bytes) -> None:
    signing = begun(desk, browser, PNG, "scan.png")
    desk.gateway.results[signing] = result
    desk.gateway.finish(signing)
    page = browser.get(f"/signings/{signing}").text
    assert "does not hold the original" in page
    assert "The signed document does not pass the checks" in page
    assert "/content" not in page
