"""`fts sign` with several documents by XAdES, as a program, judged by EU DSS and xmlsec1 (FTS-SIG-5)."""

import re
from pathlib import Path

import pytest

from tests.conformance.programs import run
from tests.e2e.conftest import Run, User
from tests.e2e.test_cli import assert_refused
from tests.e2e.test_cli_xml import INVOICE, verified
from tests.oracles.oracle import Oracle

CONTENTS = {
    "invoice.xml": INVOICE,
    "folder/order \u00e4.xml": b"<order xmlns='urn:o'><item/></order>",
    "terms.txt": b"terms",
}
IDENTIFIED = (
    "http://uri.etsi.org/01903/v1.3.2#:SignedProperties",
    "http://www.w3.org/2000/09/xmldsig#:Object",
    "http://www.w3.org/2000/09/xmldsig#:Manifest",
    "urn:fts-gateway:signed-documents:1:Document",
)
COVERS = {
    "detached": "invoice.xml, folder/order \u00e4.xml",
    "manifest": "invoice.xml, folder/order \u00e4.xml",
    "enveloping": "data-[0-9a-f]{32}, data-[0-9a-f]{32}",
    "internally-detached": "invoice.xml, order \u00e4.xml",
}
"""What the verification says is covered, as regular expressions: objects in a signature have identifiers only."""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in CONTENTS]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(CONTENTS[path.relative_to(tmp_path).as_posix()])
    return paths


def sign(user: User, packaging: str, *paths: Path, profile: str = "XADES_LTA") -> Run:
    options = ("--certificate", "p384", "--profile", profile, "--packaging", packaging, "--pin-stdin")
    return user.fts("sign", *paths, *user.signing_options, *options, given=f"{user.stack.pin}\n")


@pytest.mark.parametrize("packaging", COVERS)
def test_several_documents_get_one_signature(
    user: User, oracle: Oracle, files: list[Path], tmp_path: Path, packaging: str
) -> None:
    signed = tmp_path / "signed.xml"
    done = sign(user, packaging, *files[:2], signed)
    assert (done.returncode, "Level: XAdES baseline LTA" in done.stdout) == (0, True), done.stderr
    file = verified(user, signed)
    assert (file["valid"], file["level"]) == (True, "LTA")
    assert re.fullmatch(COVERS[packaging], file["signatures"][0]["covers"])
    detached = files[:2] if packaging in {"detached", "manifest"} else []
    identified = [part for name in IDENTIFIED for part in ("--id-attr:Id", name)]
    uris = ("--enabled-reference-uris", "empty,same-doc,remote" if detached else "empty,same-doc")
    result = run(
        *("env", "-C", tmp_path, "xmlsec1", "--verify", *identified, *uris),
        *("--trusted-pem", user.root, signed),
    )
    assert (result.returncode, result.stderr[:2]) == (0, "OK"), result.stderr
    validation = oracle.validate(signed, [user.root], detached=detached)
    assert validation.verdict("LTA", timestamps=2, form="XAdES") == []
    if detached:
        files[1].write_bytes(b"<order/>")
        assert not verified(user, signed)["valid"]


def test_a_document_elsewhere_is_named_by_its_name_alone(user: User, files: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "signatures"
    folder.mkdir()
    signed = folder / "signed.xml"
    assert sign(user, "detached", *files, signed, profile="XADES_B").returncode == 0
    assert "REFERENCE" in {problem["code"] for problem in verified(user, signed)["signatures"][0]["problems"]}
    for path in files:
        (folder / path.name).write_bytes(path.read_bytes())
    assert verified(user, signed)["valid"]


def test_what_cannot_be_signed_together_is_refused(user: User, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.xml"
    done = sign(user, "enveloped", *files, out)
    assert (done.returncode, done.stderr.startswith("TOO_MANY_DOCUMENTS")) == (2, True)
    assert_refused(sign(user, "internally-detached", *files, out), "XML_DAMAGED")
    assert_refused(sign(user, "detached", files[0], tmp_path / "missing", out), "FILE_NOT_FOUND")
    assert_refused(sign(user, "detached", files[0], tmp_path / "folder", out), "FILE_UNREADABLE")
    assert_refused(sign(user, "detached", files[0], files[0], out), "DOCUMENT_NAME")
    assert_refused(sign(user, "detached", *files, files[2]), "OUTPUT_EXISTS")
    assert not out.exists()
