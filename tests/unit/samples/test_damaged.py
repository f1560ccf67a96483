"""The expected answers to damaged files are those of the reference procedure."""

import io

import pikepdf
import pypdfium2
import pypdfium2.raw as pdfium
import pytest

from tests.samples.damage import Damage
from tests.samples.damaged import BOMBS, DAMAGED, QPDF_DIFFERS, QPDF_LOSES
from tests.samples.damaged_limits import GIB, deflate_bomb, deflate_bomb_layered
from tests.samples.signed import sign
from tests.samples.sound_structure import one_page
from tests.unit.samples.procedure import MEND_ERRORS, UnreadableError, judge, mended

WITH_FRESH_KEYS = {name for name in DAMAGED if name.startswith(("signed_", "certified_", "timestamped_"))}


def words(data: bytes) -> list[str | None]:
    """What pdfium reads on each page; None for a page that it cannot load."""
    texts: list[str | None] = []
    with pypdfium2.PdfDocument(data) as document:
        for index in range(len(document)):
            try:
                texts.append(document[index].get_textpage().get_text_range())
            except pypdfium2.PdfiumError:
                texts.append(None)
    return texts


@pytest.mark.parametrize("name", DAMAGED)
def test_expectation(name: str) -> None:
    damage = DAMAGED[name]
    verdict = judge(damage.make())
    assert (verdict.expect, verdict.reason) == (damage.expect, damage.reason), verdict.detail


@pytest.mark.parametrize("name", sorted(set(DAMAGED) - WITH_FRESH_KEYS - BOMBS))
def test_same_bytes_each_time(name: str) -> None:
    assert DAMAGED[name].make() == DAMAGED[name].make()


def test_signed_files_are_never_rewritten() -> None:
    answers = {name: DAMAGED[name] for name in WITH_FRESH_KEYS}
    assert "signed_and_damaged" in {damage.reason for damage in answers.values()}
    assert not [name for name, damage in answers.items() if damage.expect == "rewritten"]


@pytest.mark.parametrize("name", sorted(QPDF_LOSES - {"hybrid_xref_one_section"}))
def test_qpdf_loses_what_pdfium_shows(name: str) -> None:
    data = DAMAGED[name].make()
    assert words(data) == ["Page 1", "Page 2"]
    assert words(mended(data)) != ["Page 1", "Page 2"]


def test_qpdf_and_pdfium_lose_the_hidden_page_of_a_hybrid() -> None:
    data = DAMAGED["hybrid_xref_one_section"].make()
    assert words(data) == ["Page 1", None]
    assert words(mended(data)) == ["Page 1"]


@pytest.mark.parametrize("name", sorted(QPDF_DIFFERS))
def test_qpdf_reads_otherwise(name: str) -> None:
    data = DAMAGED[name].make()
    try:
        assert words(mended(data)) != words(data)
    except UnreadableError:
        with pytest.raises(MEND_ERRORS):
            pikepdf.open(io.BytesIO(data))


@pytest.mark.parametrize(
    "name", [name for name, damage in DAMAGED.items() if damage.expect == "rewritten" and name not in QPDF_LOSES]
)
def test_rewriting_keeps_what_pdfium_shows(name: str) -> None:
    data = DAMAGED[name].make()
    try:
        before = [text for text in words(data) if text]
    except pypdfium2.PdfiumError:
        before = []
    after = words(mended(data))
    assert [text for text in before if text not in after] == []


def test_signature_behind_a_huge_size_is_unseen() -> None:
    for name, seen in (("size_too_big", 1), ("size_huge", 0)):
        with pypdfium2.PdfDocument(sign(DAMAGED[name].make())) as document:
            assert pdfium.FPDF_GetSignatureCount(document) == seen


def test_bombs_decode_to_what_they_say() -> None:
    with pikepdf.open(io.BytesIO(deflate_bomb())) as pdf:
        assert pdf.pages[0].Contents.read_raw_bytes()[-4:] == blanks_adler(GIB)
    assert len(deflate_bomb_layered()) < 2_000


def blanks_adler(size: int) -> bytes:
    """Adler-32 of `size` blanks, from its definition (RFC 1950, 9)."""
    low, high = 1, 0
    low = (low + 32 * size) % 65521
    high = (size + 32 * size * (size + 1) // 2) % 65521
    return (high << 16 | low).to_bytes(4)


@pytest.mark.parametrize(("expect", "reason"), [("refused", None), ("signed", "damaged")])
def test_only_refusals_have_a_reason(expect: str, reason: str | None) -> None:
    with pytest.raises(ValueError, match="reason"):
        Damage(one_page, expect, reason)  # type: ignore[arg-type]
