"""`fts sign` and `fts verify` on XML and on any file, as programs (FTS-SIG-5)."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from signing.xades.names import XADES, XADES141, ds, xades, xades141
from tests.e2e.conftest import FTS, REPOSITORY, SECONDS, User
from tests.e2e.test_cli import FILE_FIELDS, SIGNATURE_FIELDS, assert_refused

INVOICE = b'<?xml version="1.0"?>\n<invoice xmlns="urn:i"><total currency="EUR">1.00</total></invoice>\n'


@pytest.fixture
def invoice(tmp_path: Path) -> Path:
    path = tmp_path / os.fsdecode(b"invoice \\ latin \xe9.xml")
    path.write_bytes(INVOICE)
    return path


def verified(user: User, path: Path) -> dict[str, Any]:
    """The result of one file."""
    (file,) = user.verify(path)["files"]
    assert set(file) == FILE_FIELDS
    return dict(file)


def test_xml_is_signed_at_lta_twice(user: User, invoice: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.xml", tmp_path / "twice.xml"
    done = user.sign(invoice, once, "--profile", "XADES_LTA")
    assert (done.returncode, "Level: XAdES baseline LTA" in done.stdout) == (0, True), done.stderr
    assert user.sign(once, twice, "--profile", "XADES_LTA", "--certificate", "rsa3072").returncode == 0
    file = verified(user, twice)
    assert (file["valid"], file["level"], len(file["signatures"])) == (True, "LTA", 2)
    assert all(set(signature) == SIGNATURE_FIELDS for signature in file["signatures"])
    assert [signature["covers"] for signature in file["signatures"]] == ["the whole document"] * 2
    assert invoice.read_bytes() == INVOICE
    shown = user.fts("verify", twice, "--trust", user.root)
    assert (shown.returncode, "the whole document" in shown.stdout) == (0, True)


def test_any_file_is_signed_detached(user: User, tmp_path: Path) -> None:
    document, signature = tmp_path / "scan é.bin", tmp_path / "scan.sig.xml"
    document.write_bytes(bytes(range(256)))
    options = ("--profile", "XADES_LTA", "--packaging", "detached")
    assert user.sign(document, signature, *options).returncode == 0
    file = verified(user, signature)
    assert (file["valid"], file["level"], file["signatures"][0]["covers"]) == (True, "LTA", "scan é.bin")
    document.write_bytes(b"other")
    file = verified(user, signature)
    assert not file["valid"]
    assert "CONTENT_CHANGED" in {problem["code"] for problem in file["signatures"][0]["problems"]}
    document.unlink()
    assert "REFERENCE" in {problem["code"] for problem in verified(user, signature)["signatures"][0]["problems"]}


def test_any_file_is_enveloped(user: User, tmp_path: Path) -> None:
    document, signed = tmp_path / "scan.bin", tmp_path / "signed.xml"
    document.write_bytes(bytes(range(256)))
    assert user.sign(document, signed, "--profile", "XADES_T", "--packaging", "enveloping").returncode == 0
    assert verified(user, signed)["level"] == "T"


def test_what_cannot_be_signed_enveloped_is_refused(user: User, tmp_path: Path) -> None:
    document = tmp_path / "document"
    for content, code in ((b"no xml", "XML_DAMAGED"), (b"<!DOCTYPE a><a/>", "XML_DOCTYPE")):
        document.write_bytes(content)
        assert_refused(user.sign(document, tmp_path / "out.xml", "--profile", "XADES_LTA"), code)
    assert not (tmp_path / "out.xml").exists()


def test_changed_xml_is_not_valid(user: User, invoice: Path, tmp_path: Path) -> None:
    signed = tmp_path / "signed.xml"
    assert user.sign(invoice, signed, "--profile", "XADES_LTA").returncode == 0
    signed.write_bytes(signed.read_bytes().replace(b"1.00", b"9.00"))
    assert not verified(user, signed)["valid"]


def adding(name: str) -> Callable[[etree._Element], None]:
    """Puts an unsigned property at the end."""

    def change(root: etree._Element) -> None:
        etree.SubElement(next(root.iter(xades("UnsignedSignatureProperties"))), name)

    return change


def counter_signed(root: etree._Element) -> None:
    adding(xades("CounterSignature"))(root)
    counter = etree.SubElement(next(root.iter(xades("CounterSignature"))), ds("Signature"), Id="counter")
    etree.SubElement(counter, ds("SignedInfo"))


def without_properties(root: etree._Element) -> None:
    (found,) = root.iter(xades("QualifyingProperties"))
    found.getparent().getparent().remove(found.getparent())


OTHER_FORMS: dict[str, tuple[Callable[[etree._Element], None], str, str, str | None]] = {
    "c": (adding(xades("CompleteCertificateRefs")), "NOT_BASELINE", "CompleteCertificateRefs (form C)", "T"),
    "c-v2": (adding(xades141("CompleteCertificateRefsV2")), "NOT_BASELINE", "(form C)", "T"),
    "x-1": (adding(xades("SigAndRefsTimeStamp")), "NOT_BASELINE", "SigAndRefsTimeStamp (form X)", "T"),
    "x-2": (adding(xades141("RefsOnlyTimeStampV2")), "NOT_BASELINE", "(form X)", "T"),
    "a-132": (adding(xades("ArchiveTimeStamp")), "NOT_BASELINE", "ArchiveTimeStamp (of XAdES 1.3.2)", "T"),
    "foreign": (adding("{urn:other}Property"), "UNSUPPORTED_PROPERTY", "Property of urn:other", "LT"),
    "countersigned": (counter_signed, "UNSUPPORTED_PROPERTY", "CounterSignature", "LT"),
    "plain": (without_properties, "UNSUPPORTED_FORMAT", "plain XMLDSig", None),
}


def test_forms_that_are_not_read_are_named(user: User, invoice: Path, tmp_path: Path) -> None:
    signed = tmp_path / "signed.xml"
    assert user.sign(invoice, signed, "--profile", "XADES_LT").returncode == 0
    paths = [tmp_path / f"{name}.xml" for name in OTHER_FORMS]
    for path, (change, *_) in zip(paths, OTHER_FORMS.values(), strict=True):
        tree = etree.parse(signed)
        change(tree.getroot())
        tree.write(path)
    earlier = tmp_path / "earlier.xml"
    earlier.write_bytes(signed.read_bytes().replace(XADES.encode(), b"http://uri.etsi.org/01903/v1.2.2#"))
    assert XADES141.encode() in earlier.read_bytes()
    files = {Path(file["file"]).stem: file for file in user.verify(*paths, earlier, signed)["files"]}
    assert files["signed"]["valid"]
    earlier_form = ("earlier", (None, "UNSUPPORTED_FORMAT", "earlier XAdES", None))
    for name, (_, code, text, level) in (*OTHER_FORMS.items(), earlier_form):
        (signature,) = files[name]["signatures"]
        findings = signature["notes" if level else "problems"]
        assert any(each["code"] == code and text in each["message"] for each in findings), (name, findings)
        assert (files[name]["valid"], signature["level"]) == (level is not None, level)


def test_a_file_without_rights_stops_no_other(user: User, invoice: Path, tmp_path: Path) -> None:
    signed, secret = tmp_path / "signed.xml", tmp_path / "secret.xml"
    assert user.sign(invoice, signed, "--profile", "XADES_B").returncode == 0
    secret.write_bytes(signed.read_bytes())
    secret.chmod(0)
    root_has_no_rights = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.getuid() == 0 else ()
    done = subprocess.run(
        [*root_has_no_rights, *FTS, "verify", "--json", "--trust", user.root, secret, signed],
        capture_output=True,
        check=False,
        timeout=SECONDS,
        cwd=REPOSITORY,
        env=user.environment,
    )
    first, second = json.loads(done.stdout)["files"]
    assert [problem["code"] for problem in first["problems"]] == ["FILE_UNREADABLE"]
    assert (second["valid"], done.returncode, done.stderr) == (True, 1, b"")


def test_exit_status_of_verification(user: User, invoice: Path, tmp_path: Path) -> None:
    signed, text = tmp_path / "signed.xml", tmp_path / "text"
    assert user.sign(invoice, signed, "--profile", "XADES_B").returncode == 0
    text.write_text("no signature")
    for names, status in (([signed], 0), ([invoice], 1), ([text, signed], 1), ([tmp_path / "missing"], 1)):
        done = user.fts("verify", *names, "--trust", user.root)
        assert (done.returncode, done.stderr) == (status, "")
    assert user.fts("verify", signed).returncode == 2
    assert user.fts("verify", signed, "--trust", tmp_path / "missing.pem").returncode == 2
