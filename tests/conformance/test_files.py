"""Every sound sample, and every PDF that packages brought to this machine, signed at LTA (FTS-SIG-5)."""

from pathlib import Path

import pikepdf
import pytest

from signing.ports import Level, Profile
from tests.conformance.conftest import Judge
from tests.conformance.pdfium import drawn_pages, rotations
from tests.conformance.programs import OpenSsl, Qpdf
from tests.oracles.oracle import Oracle
from tests.samples.found import found_pdfs
from tests.samples.sound import SOUND
from tests.support.line import Line, Signed

DRAWN_BYTES = 300_000
"""Larger documents are compared by rotation and number of pages alone."""
PDFA = (
    "pdfa_1b",
    "pdfa_2b",
    "pdfa_3b",
)
ROTATED = {"rotated_90": 90, "rotated_180": 180, "rotated_270": 270}


@pytest.fixture(scope="module")
def signed_samples() -> dict[str, Signed]:
    """Sound samples at LTA, filled by `signed_sample`."""
    return {}


def signed_sample(name: str, kept: dict[str, Signed], line: Line) -> Signed:
    """A sound sample at LTA, signed once."""
    if name not in kept:
        kept[name] = line.sign(SOUND[name](), "p384", Profile(Level.LTA))
    return kept[name]


@pytest.mark.parametrize("name", SOUND)
def test_sound_sample(
    full_line: Line, judge: Judge, qpdf: Qpdf, openssl: OpenSsl, signed_samples: dict[str, Signed], name: str
) -> None:
    original = SOUND[name]()
    signed = signed_sample(name, signed_samples, full_line)
    assert signed.admission.repaired is None
    assert judge(signed.data).verdict("LTA", timestamps=2) == []
    assert qpdf.check(signed.data) == []
    assert openssl.document(signed.data, "sha256") == []
    compare(original, signed.data)


@pytest.mark.parametrize("path", found_pdfs(), ids=lambda path: path.name)
def test_found_file(full_line: Line, judge: Judge, openssl: OpenSsl, path: Path) -> None:
    original = path.read_bytes()
    signed = full_line.sign(original, "p384", Profile(Level.LTA))
    assert judge(signed.data).verdict("LTA", timestamps=2) == []
    assert openssl.document(signed.data, "sha256") == []
    if signed.admission.repaired is not None:
        signed.admission.stream.seek(0)
        original = signed.admission.stream.read()
    compare(original, signed.data)


@pytest.mark.parametrize("name", PDFA)
def test_pdfa_claim_stays_true(
    full_line: Line, oracle: Oracle, signed_samples: dict[str, Signed], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "document.pdf"
    for data in (SOUND[name](), signed_sample(name, signed_samples, full_line).data):
        path.write_bytes(data)
        conformance = oracle.verapdf(path)
        assert conformance.flavour == name.removeprefix("pdfa_")
        assert conformance.failures == ()
        assert conformance.compliant


@pytest.mark.parametrize(("name", "degrees"), ROTATED.items())
def test_rotation_is_kept(
    full_line: Line, signed_samples: dict[str, Signed], tmp_path: Path, name: str, degrees: int
) -> None:
    pages = len(rotations(SOUND[name]()))
    signed = signed_sample(name, signed_samples, full_line).data
    assert rotations(signed) == [degrees] * pages
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed)
    with pikepdf.open(path) as pdf:
        assert [page.rotation for page in pdf.pages] == [degrees] * pages


def compare(original: bytes, signed: bytes) -> None:
    """Check that all of the original is there, octet by octet, and shown as before."""
    assert signed.startswith(original)
    assert len(signed) > len(original)
    if len(original) <= DRAWN_BYTES:
        assert drawn_pages(signed) == drawn_pages(original)
    else:
        assert rotations(signed) == rotations(original)
