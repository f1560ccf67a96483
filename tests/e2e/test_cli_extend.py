"""`fts extend` as a program on PDF, XML, signature files and containers, judged by EU DSS (FTS-SIG-5, FTS-SIG-8)."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from lxml import etree

from deploy.demo_pki.certificates import OCSP_PATH, TSA_PATH, crl_path
from deploy.demo_pki.faults import Fault
from tests.conformance.programs import run
from tests.e2e.conftest import Run, User
from tests.e2e.test_cli import assert_refused
from tests.e2e.test_cli_xml import INVOICE, verified
from tests.oracles.oracle import Oracle

Form = Literal["PAdES", "XAdES"]
KINDS: dict[str, tuple[str, tuple[str, ...], Form]] = {
    "pdf": ("PADES", (), "PAdES"),
    "xml": ("XADES", (), "XAdES"),
    "signature": ("XADES", ("--packaging", "detached"), "XAdES"),
    "asice": ("ASIC_E_XADES", (), "XAdES"),
    "asics": ("ASIC_S_XADES", (), "XAdES"),
}
"""By the ending of the result: beginning of the profile, further options, and the form as DSS names it."""


def extend(user: User, document: Path, destination: Path, *options: str) -> Run:
    return user.fts(
        *("extend", document, destination, "--tsa", user.stack.tsa_url, "--allow-host", user.stack.pki.base_url),
        *("--trust", user.root, *options),
    )


@pytest.fixture
def sign(user: User, documents: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes a signed file of a kind at a level; `invoice.xml` lies beside it."""

    def signed(kind: str, level: str) -> Path:
        document = tmp_path / "invoice.xml"
        document.write_bytes(INVOICE)
        path = tmp_path / f"{level}.{kind}"
        profile, options, _ = KINDS[kind]
        source = documents / "sound.pdf" if kind == "pdf" else document
        done = user.sign(source, path, "--profile", f"{profile}_{level}", *options)
        assert done.returncode == 0, done.stderr
        return path

    return signed


def stamps_of(file: dict[str, Any]) -> int:
    """The number of timestamps in a verification, which must all be good."""
    stamps = [*file["archive_timestamps"], *(t for s in file["signatures"] for t in s["timestamps"])]
    assert all(stamp["valid"] for stamp in stamps)
    return len(stamps)


CELLS = [
    *(("pdf", "B"), ("pdf", "LTA"), ("xml", "B"), ("xml", "LTA")),
    *(("signature", "T"), ("asice", "LTA"), ("asics", "B")),
]


@pytest.mark.parametrize(("kind", "level"), CELLS)
def test_every_kind_comes_to_lta_and_is_renewed(
    user: User, oracle: Oracle, sign: Callable[[str, str], Path], kind: str, level: str
) -> None:
    signed = sign(kind, level)
    before, longer = signed.read_bytes(), signed.with_name(f"longer.{kind}")
    count = stamps_of(verified(user, signed))
    done = extend(user, signed, longer, "--digest", "sha512")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Signatures at level LTA: 1" in done.stdout
    assert signed.read_bytes() == before
    file = verified(user, longer)
    assert (file["valid"], file["level"]) == (True, "LTA")
    assert f"SHA-256: {file['sha256']}" in done.stdout
    assert file["archive_timestamps"][-1]["digest"] == "sha512"
    added = stamps_of(file) - count
    assert added == (1 if level != "B" else 2)
    detached = [signed.with_name("invoice.xml")] if kind == "signature" else []
    validation = oracle.validate(longer, [user.root], detached=detached)
    assert validation.verdict("LTA", timestamps=count + added, form=KINDS[kind][2]) == []


def test_extended_xml_passes_xmlsec1(user: User, sign: Callable[[str, str], Path]) -> None:
    longer = sign("xml", "T").with_name("longer.xml")
    assert extend(user, longer.with_name("T.xml"), longer).returncode == 0
    identified = ("--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties")
    result = run("xmlsec1", "--verify", *identified, "--trusted-pem", user.root, longer)
    assert (result.returncode, result.stderr[:2]) == (0, "OK"), result.stderr


def test_a_broken_signature_beside_a_good_one_is_left(user: User, sign: Callable[[str, str], Path]) -> None:
    once = sign("xml", "T")
    twice, broken, longer = (once.with_name(f"{name}.xml") for name in ("twice", "broken", "longer"))
    assert user.sign(once, twice, "--profile", "XADES_B", "--certificate", "rsa3072").returncode == 0
    tree = etree.parse(twice)
    value = next(tree.iter("{*}SignatureValue"))
    value.text = "AAAA" + value.text.strip()[4:]
    tree.write(broken)
    done = extend(user, broken, longer)
    assert (done.returncode, done.stderr) == (1, "")
    assert "Signatures at level LTA: 1" in done.stdout
    assert done.stdout.count("Left as it is: ") == 1
    assert "SIGNATURE_INVALID" in done.stdout
    assert sorted(s["level"] or "" for s in verified(user, longer)["signatures"]) == ["", "LTA"]


def test_what_cannot_be_extended_is_refused(
    user: User, documents: Path, sign: Callable[[str, str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    signature = sign("signature", "B")
    changed = tmp_path / "changed.xml"
    changed.write_bytes(sign("xml", "B").read_bytes().replace(b"1.00", b"9.00"))
    for document, code in (
        (tmp_path / "missing.xml", "FILE_NOT_FOUND"),
        (tmp_path, "FILE_UNREADABLE"),
        (documents / "sound.pdf", "DOCUMENT_DAMAGED"),
        (documents / "empty.pdf", "NOT_A_PDF"),
        (tmp_path / "invoice.xml", "NOT_EXTENDED"),
        (changed, "NOT_EXTENDED"),
    ):
        assert_refused(extend(user, document, out), code)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(signature, alone)
    assert_refused(extend(user, alone / signature.name, out), "NOT_EXTENDED")
    assert_refused(extend(user, signature, signature, "--force"), "OUTPUT_EXISTS")
    assert_refused(extend(user, signature, changed), "OUTPUT_EXISTS")
    assert_refused(extend(user, signature, tmp_path / "no" / "out"), "OUTPUT_UNWRITABLE")
    assert not out.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".fts-")]
    assert extend(user, signature, changed, "--force").returncode == 0


@pytest.mark.parametrize("kind", ["pdf", "xml"])
@pytest.mark.parametrize(
    ("paths", "code"),
    [([TSA_PATH], "TIMESTAMP_UNAVAILABLE"), ([OCSP_PATH, crl_path("citizen")], "REVOCATION_UNAVAILABLE")],
    ids=["authority", "revocation"],
)
def test_without_a_service_nothing_is_written(
    user: User, sign: Callable[[str, str], Path], kind: str, paths: list[str], code: str
) -> None:
    signed, out = sign(kind, "T"), sign(kind, "B").with_name("out")
    user.stack.services.faults.update(dict.fromkeys(paths, Fault("down")))
    try:
        assert_refused(extend(user, signed, out), code)
    finally:
        user.stack.services.faults.clear()
    assert not out.exists()
    assert extend(user, signed, out).returncode == 0


def test_wrong_use(user: User, tmp_path: Path) -> None:
    done = extend(user, tmp_path / "in", tmp_path / "out", "--allow-host", "no url")
    assert (done.returncode, done.stderr.startswith("URL_INVALID")) == (2, True)
    assert user.fts("extend", tmp_path / "in", "--trust", user.root).returncode == 2
