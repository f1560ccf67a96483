"""`python -m deploy.demo_sign` on XML and on any files, judged by EU DSS and xmlsec1 (FTS-SIG-5)."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from deploy.demo_forms import ASIC_E, ASIC_S, PDF, XML, Form, Names, form_of
from fts.errors import RefusalError
from tests.conformance.programs import run
from tests.e2e.conftest import Run
from tests.e2e.test_demo_sign import demo_sign, lines_of
from tests.oracles.oracle import Oracle

INVOICE = b'<?xml version="1.0"?>\n<invoice xmlns="urn:i"><total currency="EUR">1.00</total></invoice>\n'
CONTENTS = {
    "invoice.xml": INVOICE,
    "Rechnung \u00e4 \u00f6.XML": INVOICE.replace(b"1.00", b"2.00"),
    "report.xbrl": b"\xef\xbb\xbf" + INVOICE,
    "-letter to you.txt": b"dear",
    "letter.docx": b"PK\x05\x06" + bytes(18),
    "page.html": b"<!DOCTYPE html><html><body>hello</body></html>",
    "no ending": bytes(range(256)),
    "twin.txt": b"one",
    "twin.csv": b"two",
    "doctype.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "damaged.xml": b"<a><b></a>",
    "empty.txt": b"",
    "empty.xml": b"",
}
REFUSED = {
    "doctype.xml": "XML_DOCTYPE",
    "damaged.xml": "XML_DAMAGED",
    "empty.txt": "FILE_EMPTY",
    "empty.xml": "FILE_EMPTY",
    "folder.xml": "FILE_UNREADABLE",
    "pipe": "FILE_UNREADABLE",
    "missing.txt": "FILE_NOT_FOUND",
}
XADES = ["invoice-signed.xml", "Rechnung \u00e4 \u00f6-signed.xml", "report.xbrl-signed.xml"]
CONTAINERS = {
    "-letter to you.asice": "-letter to you.txt",
    "letter.asice": "letter.docx",
    "page.asice": "page.html",
    "no ending.asice": "no ending",
}


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path, Path]:
    """One call with everything: what it said, where the files are, where the results are."""
    folder = tmp_path_factory.mktemp("forms")
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    (folder / "folder.xml").mkdir()
    os.mkfifo(folder / "pipe")
    output = folder / "results"
    files = [folder / name for name in (*CONTENTS, "folder.xml", "pipe", "missing.txt")]
    return demo_sign(folder / "demo", output, "--", *files), folder, output


def test_each_file_gets_its_form_or_a_reason(called: tuple[Run, Path, Path]) -> None:
    done, folder, output = called
    assert done.returncode == 1
    lines = lines_of(done, len(CONTENTS) + 3)
    for name, code in REFUSED.items():
        assert lines[str(folder / name)].startswith(f"refused {folder / name}: {code}: "), done.stdout
        assert ". Remedy: " in lines[str(folder / name)]
    signed = f"signed {folder / 'invoice.xml'} -> {output}/invoice-signed.xml (level LTA, verified; XAdES in the XML; "
    assert lines[str(folder / "invoice.xml")].startswith(signed)
    assert "(level LTA, verified; ASiC-E with XAdES; " in lines[str(folder / "letter.docx")]
    twins = {"twin.asice", "twin-2.asice"}
    assert {path.name for path in output.iterdir()} == {"root.pem", *XADES, *CONTAINERS, *twins}
    assert done.stdout.count("numbered, because another file") == 1
    assert "9 of 16 files signed at LTA and verified; 7 refused" in done.stdout
    assert {name: (folder / name).read_bytes() for name in CONTENTS} == CONTENTS


@pytest.mark.parametrize("name", XADES)
def test_xml_passes_dss_and_xmlsec1(called: tuple[Run, Path, Path], oracle: Oracle, name: str) -> None:
    _, _, output = called
    root = output / "root.pem"
    assert oracle.validate(output / name, [root]).verdict("LTA", timestamps=2, form="XAdES") == []
    identified = ("--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties")
    result = run("xmlsec1", "--verify", *identified, "--trusted-pem", root, output / name)
    assert (result.returncode, result.stderr[:2]) == (0, "OK"), result.stderr


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_pass_dss_and_hold_the_file(called: tuple[Run, Path, Path], oracle: Oracle, name: str) -> None:
    _, _, output = called
    validation = oracle.validate(output / name, [output / "root.pem"])
    assert validation.verdict("LTA", timestamps=2, form="XAdES") == []
    with zipfile.ZipFile(output / name) as archive:
        assert archive.read("mimetype") == b"application/vnd.etsi.asic-e+zip"
        assert archive.read(CONTAINERS[name]) == CONTENTS[CONTAINERS[name]]


def test_a_container_gets_another_signature(called: tuple[Run, Path, Path], oracle: Oracle, tmp_path: Path) -> None:
    _, folder, output = called
    given = tmp_path / "given.asice"
    shutil.copy(output / "page.asice", given)
    done = demo_sign(folder / "demo", tmp_path / "again", given)
    assert done.returncode == 0, done.stdout + done.stderr
    signed = tmp_path / "again" / "given-signed.asice"
    validation = oracle.validate(signed, [tmp_path / "again" / "root.pem"])
    assert validation.verdict("LTA", signatures=2, timestamps=4, form="XAdES") == []


FORMS: list[tuple[str, bytes, Form]] = [
    ("a.pdf", b"no PDF", PDF),
    ("a.PDF", b"", PDF),
    ("a", b"%PDF-1.7", PDF),
    ("a.xml", b"no XML", XML),
    ("a.svg", b"<?xml version='1.0'?><svg/>", XML),
    ("a", "\ufeff<?xml version='1.0'?><a/>".encode("utf-16-le"), XML),
    ("a.txt", b"<a/>", ASIC_E),
    ("a.txt", b"see %PDF-1.7", ASIC_E),
    ("a.asice", b"PK", ASIC_E),
    ("a.asics", b"PK", ASIC_S),
]


@pytest.mark.parametrize(("name", "content", "form"), FORMS)
def test_form_of_a_file(name: str, content: bytes, form: Form, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert form_of(path) is form


def test_a_file_without_rights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(RefusalError, match=r"a\.txt: Permission denied"):
        form_of(tmp_path / "a.txt")


def test_names_of_results(tmp_path: Path) -> None:
    names = Names(tmp_path)
    given = [
        *(("a.xml", XML), ("a.XML", XML), ("a.svg", XML), ("a.txt", ASIC_E), ("a.tar.gz", ASIC_E), ("a.pdf", PDF)),
        *(("a.asice", ASIC_E), ("a.csv", ASIC_E), ("a.asics", ASIC_S), (".x", ASIC_E)),
    ]
    assert [names.result_of(Path(name), form)[0].name for name, form in given] == [
        *("a-signed.xml", "a-2-signed.xml", "a.svg-signed.xml", "a.asice", "a.tar.asice", "a-signed.pdf"),
        *("a-signed.asice", "a-2.asice", "a-signed.asics", ".x.asice"),
    ]
