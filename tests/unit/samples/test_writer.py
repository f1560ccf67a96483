"""The raw writer, and the program that writes all samples."""

import io
from pathlib import Path

import pikepdf
import pypdfium2
import pytest

from tests.samples.__main__ import main
from tests.samples.found import found_pdfs, produced_pdfs
from tests.samples.signed import SIGNED
from tests.samples.writer import classic, entry, replaced, startxref_of, stream, text_content, text_pages, update
from tests.unit.samples.procedure import judge


def test_entries_have_twenty_bytes() -> None:
    assert {len(entry(1)), len(entry(9_999_999_999)), len(entry(0, 65535, "f"))} == {20}


def test_edit_must_hit_once() -> None:
    assert replaced(b"one two", b"two", b"three") == b"one three"
    with pytest.raises(ValueError, match="occurs 2 times"):
        replaced(b"aa", b"a", b"b")
    with pytest.raises(ValueError, match="occurs 0 times"):
        replaced(b"aa", b"c", b"b")


def test_update_leaves_the_first_revision_alone() -> None:
    first = classic(text_pages())
    second = update(first, {5: stream(text_content("Newer"))}, size=6)
    assert second.startswith(first)
    assert b"/Prev %d " % startxref_of(first) in second[len(first) :]
    with pikepdf.open(io.BytesIO(second)) as pdf:
        assert b"Newer" in pdf.pages[0].Contents.read_bytes()
        assert pdf.trailer.ID[0] != pdf.trailer.ID[1]
    with pikepdf.open(io.BytesIO(first)) as pdf:
        assert pdf.trailer.ID[0] == pdf.trailer.ID[1]


def test_text_is_escaped() -> None:
    with pypdfium2.PdfDocument(classic({**text_pages(), 5: stream(text_content(r"a (b) \c"))})) as document:
        assert document[0].get_textpage().get_text_range() == r"a (b) \c"


def test_program_writes_a_group(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--only", "signed"]) == 0
    assert {path.stem for path in (tmp_path / "signed").iterdir()} == set(SIGNED)


@pytest.mark.parametrize("path", found_pdfs(), ids=lambda path: path.name)
def test_found_files_can_be_signed(path: Path) -> None:
    assert judge(path.read_bytes()).expect == "signed"


QUICK = [name for name in produced_pdfs() if not name.startswith("qpdf_") or name == "qpdf_linear_manual"]


@pytest.mark.parametrize("name", QUICK)
def test_produced_files_can_be_signed(name: str) -> None:
    expected = "rewritten" if name == "pillow_scan" else "signed"
    assert judge(produced_pdfs()[name]()).expect == expected
