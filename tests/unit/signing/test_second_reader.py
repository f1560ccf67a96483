"""The second reader's view of a document, and the stream that joins a document with a revision behind it."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.limits import LIMITS
from signing.pades.second_reader import Joined, SecondReaderError, look, resave
from tests.samples.signed import signed_once, signed_twice, with_document_timestamp
from tests.samples.sound_structure import blank_page, one_page
from tests.samples.writer import classic, replaced, text_pages

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 40)),
        st.tuples(st.just("start"), st.integers(0, 60)),
        st.tuples(st.just("end"), st.integers(-60, 0)),
        st.tuples(st.just("forward"), st.integers(0, 20)),
        st.tuples(st.just("tell"), st.just(0)),
    ),
    max_size=12,
)


@given(st.binary(max_size=40), st.binary(max_size=40), STEPS)
def test_joined_reads_as_one_buffer(document: bytes, tail: bytes, steps: list[tuple[str, int]]) -> None:
    plain = io.BytesIO(document + tail)
    joined = Joined(io.BytesIO(document), len(document), tail)
    size = len(document) + len(tail)
    for action, number in steps:
        match action:
            case "read":
                assert joined.read(number) == plain.read(number)
            case "start":
                assert joined.seek(number) == plain.seek(number)
            case "end":
                back = max(number, -size)
                assert joined.seek(back, io.SEEK_END) == plain.seek(back, io.SEEK_END)
            case "forward":
                assert joined.seek(number, io.SEEK_CUR) == plain.seek(number, io.SEEK_CUR)
        assert joined.tell() == plain.tell()


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(1, 64))
def test_joined_behind_a_buffer(document: bytes, tail: bytes, buffer_size: int) -> None:
    joined = io.BufferedReader(Joined(io.BytesIO(document), len(document), bytearray(tail)), buffer_size)
    assert joined.read() == document + tail
    joined.seek(0)
    assert joined.read1(1) == (document + tail)[:1]


def test_joined_leaves_out_what_came_behind_the_document() -> None:
    """The document may have grown since its size was taken."""
    assert Joined(io.BytesIO(b"document and more"), 8, b"!").read(100) == b"document!"


def test_view_of_an_unsigned_document() -> None:
    view = look(io.BytesIO(classic(text_pages(3))), draw=True)
    assert (view.pages, view.signatures) == (3, ())
    assert [picture.page for picture in view.pictures] == [1, 2, 3]
    assert len({picture.sha256 for picture in view.pictures}) == 3
    assert all(0 < p.width * p.height <= LIMITS.compared_pixels * 1.01 for p in view.pictures)


def test_pictures_tell_a_changed_word() -> None:
    data = one_page()
    changed = replaced(data, b"(Page 1) Tj", b"(Page 7) Tj")
    assert look(io.BytesIO(data), draw=True).pictures != look(io.BytesIO(changed), draw=True).pictures
    assert look(io.BytesIO(data), draw=False).pictures == ()


def test_signatures_and_their_ranges() -> None:
    data = signed_twice()
    view = look(io.BytesIO(data), draw=False)
    assert len(view.signatures) == 2
    for signature in view.signatures:
        start, length, second, rest = signature.byte_range
        assert start == 0
        assert bytes.fromhex(data[length + 1 : second - 1].decode()) == signature.contents
        assert second + rest <= len(data)


def test_document_timestamp_is_a_signature_too() -> None:
    assert len(look(io.BytesIO(with_document_timestamp()), draw=False).signatures) == 2


def test_many_pages_are_sampled() -> None:
    view = look(io.BytesIO(classic(text_pages(50))), draw=True)
    numbers = [picture.page for picture in view.pictures]
    assert (numbers[0], numbers[-1], len(numbers)) == (1, 50, LIMITS.compared_pages)


def test_file_and_buffer_give_the_same_view(tmp_path: Path) -> None:
    data = signed_once()
    path = tmp_path / "signed.pdf"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert look(file, draw=True) == look(io.BytesIO(data), draw=True)
    joined = io.BufferedReader(Joined(io.BytesIO(data[:500]), 500, data[500:]))
    assert look(joined, draw=True) == look(io.BytesIO(data), draw=True)


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", b"<html>", bytes(100)], ids=["header", "html", "zeros"])
def test_what_it_cannot_open(data: bytes) -> None:
    with pytest.raises(SecondReaderError):
        look(io.BytesIO(data), draw=True)
    with pytest.raises(SecondReaderError):
        resave(data)


def test_resaved_document_looks_the_same() -> None:
    data = blank_page()
    assert look(io.BytesIO(resave(data)), draw=True) == look(io.BytesIO(data), draw=True)
