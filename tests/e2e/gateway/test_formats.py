"""XML and any file through the gateway, by named profiles: judged by EU DSS and xmlsec1 (FTS-SIG-1, FTS-SIG-5)."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from fts.profiles.registry import NAMES
from tests.bench.xml_documents import invoice
from tests.conformance.programs import run
from tests.e2e.gateway.test_failure_map import code
from tests.oracles.oracle import Oracle
from tests.support.gateway import Account, Gateway

XML = "application/xml"
UBL = invoice(6_000)
PNG = b"\x89PNG\r\n\x1a\n" + hashlib.shake_256(b"scan").digest(20_000)
SIGNED_PROPERTIES = "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"


@pytest.fixture(scope="module")
def office(gateway: Gateway) -> Account:
    """A client with whom every profile is agreed."""
    return gateway.register("office", profiles=list(NAMES))


@pytest.fixture(scope="module")
def root(gateway: Gateway) -> Path:
    return gateway.directory / "root.pem"


def signed(
    gateway: Gateway, office: Account, data: bytes, name: str, media_type: str, profile: str
) -> tuple[bytes, str]:
    """Upload, sign and download; return the result and its file name."""
    uploaded = office.upload(data, name=name, media_type=media_type)
    assert uploaded.status_code == 201, uploaded.text
    assert uploaded.json()["media_type"] == media_type
    ordered = office.order(uploaded.json()["id"], profile=profile)
    assert ordered.status_code == 201, ordered.text
    ended = gateway.browser(ordered.json()).sign(gateway.signer)
    assert ended["state"] == "completed", ended
    result = office.signing(ordered.json()["id"])["result"]
    answer = office.api.get(f"/v1/signings/{ordered.json()['id']}/content")
    assert result["level"] == profile.rpartition("_")[2]
    assert result["sha256"] == hashlib.sha256(answer.content).hexdigest()
    expected = XML if profile.startswith("XADES") else f"application/vnd.etsi.asic-{profile[5].lower()}+zip"
    assert answer.headers["content-type"] == expected
    return answer.content, answer.headers["content-disposition"].rpartition("''")[2]


@pytest.mark.parametrize("level", ["B", "T", "LT", "LTA"])
@pytest.mark.parametrize("media_type", [XML, "text/xml"])
def test_xml_gets_its_signature_inside(
    gateway: Gateway, office: Account, oracle: Oracle, root: Path, tmp_path: Path, level: str, media_type: str
) -> None:
    data, name = signed(gateway, office, UBL, "factuur 7.xml", media_type, f"XADES_{level}")
    assert name == "factuur%207-signed.xml"
    path = tmp_path / "signed.xml"
    path.write_bytes(data)
    if level.startswith("LT"):  # below, what proves the certificate's state is not in the document
        stamps = 2 if level == "LTA" else 1
        assert oracle.validate(path, [root]).verdict(level, timestamps=stamps, form="XAdES") == []  # type: ignore[arg-type]
    judged = run("xmlsec1", "--verify", "--id-attr:Id", SIGNED_PROPERTIES, "--trusted-pem", root, path)
    assert judged.returncode == 0, judged.stderr
    assert judged.stderr.startswith("OK")


@pytest.mark.parametrize("profile", ["ASIC_E_XADES_LTA", "ASIC_E_XADES_LT", "ASIC_S_XADES_LTA"])
@pytest.mark.parametrize(
    ("name", "media_type"), [("scan é.png", "image/png"), ("notes.xml", XML), ("Makefile", "text/x")]
)
def test_any_file_goes_into_a_container(
    gateway: Gateway,
    office: Account,
    oracle: Oracle,
    root: Path,
    tmp_path: Path,
    profile: str,
    name: str,
    media_type: str,
) -> None:
    original = UBL if media_type == XML else PNG
    data, given = signed(gateway, office, original, name, media_type, profile)
    assert given.endswith(f".asic{profile[5].lower()}")
    with zipfile.ZipFile(io.BytesIO(data)) as container:
        assert container.read(name) == original
    path = tmp_path / "signed.asice"
    path.write_bytes(data)
    level = profile.rpartition("_")[2]
    stamps = 2 if level == "LTA" else 1
    assert oracle.validate(path, [root]).verdict(level, timestamps=stamps, form="XAdES") == []  # type: ignore[arg-type]


def test_a_signed_container_gets_another_signature(
    gateway: Gateway, office: Account, oracle: Oracle, root: Path, tmp_path: Path
) -> None:
    """And a signed XML, too: what was there stays valid."""
    once, name = signed(gateway, office, PNG, "scan.png", "image/png", "ASIC_E_XADES_LTA")
    twice, name = signed(gateway, office, once, name, "application/vnd.etsi.asic-e+zip", "ASIC_E_XADES_LTA")
    assert name == "scan-signed.asice"
    path = tmp_path / "signed.asice"
    path.write_bytes(twice)
    assert oracle.validate(path, [root]).verdict("LTA", signatures=2, timestamps=4, form="XAdES") == []
    once, _ = signed(gateway, office, UBL, "invoice.xml", XML, "XADES_LTA")
    uploaded = office.upload(once, name="invoice.xml", media_type=XML).json()
    assert uploaded["signatures"] == 1
    twice, _ = signed(gateway, office, once, "invoice.xml", XML, "XADES_LTA")
    path.write_bytes(twice)
    assert oracle.validate(path, [root]).verdict("LTA", signatures=2, timestamps=4, form="XAdES") == []


@pytest.mark.parametrize(
    ("data", "name", "media_type", "refusal"),
    [
        (b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>", "a.xml", XML, "XML_DOCTYPE"),
        (b"<a>", "a.xml", XML, "XML_DAMAGED"),
        (b"", "a.xml", XML, "XML_DAMAGED"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "a.xml", "text/xml", "XML_DAMAGED"),
        (b"<a xmlns='relative'/>", "a.xml", XML, "XML_NOT_CANONICAL"),
        (b"<a>" * 300 + b"</a>" * 300, "a.xml", XML, "XML_TOO_LARGE"),
        (PNG, "a.pdf", "application/pdf", "NOT_A_PDF"),
        (PNG, "a.asice", "application/vnd.etsi.asic-e+zip", "ASIC_CONTAINER_INVALID"),
    ],
)
def test_what_cannot_be_signed_is_refused_at_the_upload(
    office: Account, data: bytes, name: str, media_type: str, refusal: str
) -> None:
    assert code(office.upload(data, name=name, media_type=media_type)) == refusal


@pytest.mark.parametrize(
    "media_type", [XML, "text/xml", "image/png", "application/octet-stream", "nonsense", "a/b/c", ""]
)
def test_what_no_agreed_profile_accepts_is_not_taken(gateway: Gateway, media_type: str) -> None:
    """The account of the other tests has profiles of PAdES only."""
    assert code(gateway.account.upload(UBL, name="a.xml", media_type=media_type)) == "MEDIA_TYPE_UNSUPPORTED"


@pytest.mark.parametrize(
    ("name", "media_type", "profile", "refusal"),
    [
        ("scan.png", "image/png", "PADES_LTA", "PROFILE_UNSUITABLE"),
        ("scan.png", "image/png", "XADES_LTA", "PROFILE_UNSUITABLE"),
        ("a.xml", XML, "PADES_LTA", "PROFILE_UNSUITABLE"),
        ("mimetype", "image/png", "ASIC_E_XADES_LTA", "DOCUMENT_NAME"),
        ("META-INF/x.png", "image/png", "ASIC_E_XADES_LTA", "DOCUMENT_NAME"),
        ("../x.png", "image/png", "ASIC_S_XADES_LTA", "DOCUMENT_NAME"),
        ("scan.png", "image/png", "CADES_LTA", "REQUEST_INVALID"),
    ],
)
def test_a_profile_must_fit_the_document(
    office: Account, name: str, media_type: str, profile: str, refusal: str
) -> None:
    data = UBL if media_type == XML else PNG
    uploaded = office.upload(data, name=name, media_type=media_type).json()
    refused = office.order(uploaded["id"], profile=profile)
    assert code(refused) == refusal
    if refusal == "PROFILE_UNSUITABLE":
        assert "ASIC_E_XADES_LTA" in refused.json()["detail"]


def test_a_locked_document_ends_the_signing(gateway: Gateway, office: Account) -> None:
    """Its own signature covers all later ones: no other card helps, and the client is told."""
    locked = b'<s:Signature xmlns:s="http://www.w3.org/2000/09/xmldsig#"/>'
    uploaded = office.upload(locked, name="a.xml", media_type=XML).json()
    signing = office.order(uploaded["id"], profile="XADES_LTA").json()
    browser = gateway.browser(signing)
    browser.open().raise_for_status()
    browser.give_certificate(gateway.signer).raise_for_status()
    assert browser.wait("prepared", "failed")["state"] == "failed"
    assert office.signing(signing["id"])["problem"]["code"] == "DOCUMENT_LOCKED"


def test_the_same_document_under_another_type_is_another_document(office: Account) -> None:
    assert office.upload(UBL, "typed", name="a.xml", media_type=XML).status_code == 201
    assert office.upload(UBL, "typed", name="a.xml", media_type=XML).status_code == 201
    assert code(office.upload(UBL, "typed", name="a.xml", media_type="image/png")) == "DOCUMENT_EXISTS"
    answer = office.api.get("/v1/documents/typed/content")
    assert answer.headers["content-type"] == XML
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content == UBL


def test_xml_is_shown_as_bounded_text(gateway: Gateway, office: Account) -> None:
    """Scripts stay text, order-changing and unseen characters are named, ten megabytes on a line come in parts."""
    text = "<a><script>alert(1)</script>\u202egpj&#x200B;.exe" + "<!-- said -->" + "x" * 10_000_000 + "</a>"
    uploaded = office.upload(text.encode(), name="a.xml", media_type=XML).json()
    assert uploaded["pages"] > 200
    signing = office.order(uploaded["id"], profile="XADES_B").json()
    browser = gateway.browser(signing)
    browser.open().raise_for_status()
    page = browser.http.get(browser.path).text
    assert "not signed" in page
    assert "<script>alert" not in page
    first = browser.http.get(f"{browser.path}/pages/1.txt").raise_for_status()
    assert first.headers["content-type"].startswith("text/plain")
    assert first.headers["x-content-type-options"] == "nosniff"
    assert "<script>alert(1)</script>⟦U+202E⟧gpj⟦U+200B⟧.exe<!-- said -->xxx" in first.text
    assert len(first.text) < 50_000
    last = browser.http.get(f"{browser.path}/pages/{uploaded['pages']}.txt").raise_for_status()
    assert last.text.endswith("</a>")
    assert code(browser.http.get(f"{browser.path}/pages/{uploaded['pages'] + 1}.txt")) == "PAGE_NOT_FOUND"
    assert code(browser.http.get(f"{browser.path}/pages/1.png")) == "PREVIEW_UNAVAILABLE"


def test_the_signer_gets_the_file_itself(gateway: Gateway, office: Account) -> None:
    """As an attachment of no type that a browser opens; that it was fetched is in the trail; nobody else gets it."""
    page = b"<html><script>alert(1)</script></html>"
    uploaded = office.upload(page, name="a.html", media_type="text/html").json()
    signing = office.order(uploaded["id"], profile="ASIC_E_XADES_LTA").json()
    browser = gateway.browser(signing)
    assert code(browser.http.get(f"{browser.path}/document")) == "SESSION_REQUIRED"
    browser.open().raise_for_status()
    answer = browser.http.get(f"{browser.path}/document")
    assert answer.content == page
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a.html"
    assert "signing.document_read" in [event.kind for event in gateway.trail(signing["id"])]
    shown = browser.http.get(browser.path).text
    assert hashlib.sha256(page).hexdigest() in shown
    assert "text/html" in shown


@pytest.mark.parametrize(
    ("data", "name", "media_type", "profile"),
    [(UBL, "a.xml", XML, "XADES_LTA"), (PNG, "a.png", "image/png", "ASIC_E_XADES_LTA")],
)
def test_a_restart_between_the_two_calls_changes_nothing(
    gateway: Gateway, office: Account, data: bytes, name: str, media_type: str, profile: str
) -> None:
    """What was prepared is in the store, sealed: another worker finishes it."""
    document = office.upload(data, name=name, media_type=media_type).json()["id"]
    signing = office.order(document, profile=profile).json()
    browser = gateway.browser(signing)
    browser.open().raise_for_status()
    browser.give_certificate(gateway.signer).raise_for_status()
    prepared = browser.wait("prepared")
    gateway.worker.kill()
    gateway.worker.start()
    browser.give_value(gateway.signer, prepared["digest"]).raise_for_status()
    assert browser.wait("completed", "failed")["state"] == "completed"
    assert office.signing(signing["id"])["result"]["level"] == "LTA"


def test_a_large_file_goes_into_a_container(gateway: Gateway, office: Account) -> None:
    """Ninety megabytes, near the limit of uploads."""
    data = hashlib.shake_256(b"large").digest(1_000_000) * 90
    signed_file, _ = signed(gateway, office, data, "video.mp4", "video/mp4", "ASIC_E_XADES_LTA")
    with zipfile.ZipFile(io.BytesIO(signed_file)) as container, container.open("video.mp4") as file:
        assert hashlib.file_digest(file, "sha256").digest() == hashlib.sha256(data).digest()


def test_an_export_has_all_kinds(gateway: Gateway) -> None:
    """FTS-GDPR-3: each file under an ending that tells what it is."""
    account = gateway.register("archive", profiles=list(NAMES))
    for data, name, media_type, profile in (
        (UBL, "a.xml", XML, "XADES_B"),
        (PNG, "a.png", "image/png", "ASIC_S_XADES_B"),
    ):
        signed(gateway, account, data, name, media_type, profile)
    exported = account.api.get("/v1/export").raise_for_status()
    with tarfile.open(fileobj=io.BytesIO(exported.content)) as archive:
        names = sorted(member.name.rpartition("/")[2] for member in archive if member.name.startswith("documents/"))
    assert {"original.xml", "original.bin", "signed.xml", "signed.asics"} <= set(names)


def test_a_timestamp_within_is_for_pdf_only(office: Account) -> None:
    """FTS-TS-2: said when it is ordered; around and beside any file it is made."""
    document = office.upload(UBL, name="factuur.xml", media_type=XML).json()["id"]
    path = f"/v1/documents/{document}/timestamps"
    refused = office.api.post(path, json={"form": "pdf"})
    assert (refused.status_code, refused.json()["code"]) == (422, "NOT_A_PDF")
    assert office.api.post(path, json={"form": "asic-s"}).json()["state"] == "ready"
