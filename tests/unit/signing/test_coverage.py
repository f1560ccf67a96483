"""Byte ranges: the one accepted form, and each of the geometries that attacks use (P-1, P-3)."""

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic

from signing.pades.coverage import CoverageError, digests, read_coverage
from timestamping.algorithms import DigestAlgorithm

HEAD, GAP, TAIL = b"%PDF-1.7 head ", b"<0a0b0c00>", b" tail %%EOF\n"
FILE = HEAD + GAP + TAIL
START, END = len(HEAD), len(HEAD) + len(GAP)
RANGE = (0, START, END, len(TAIL))


def value(byte_range: object = RANGE, contents: bytes | None = bytes.fromhex("0a0b0c00")) -> generic.DictionaryObject:
    entries: dict[generic.NameObject, generic.PdfObject] = {}
    if isinstance(byte_range, tuple):
        numbers = [n if isinstance(n, generic.PdfObject) else generic.NumberObject(n) for n in byte_range]
        entries[generic.NameObject("/ByteRange")] = generic.ArrayObject(numbers)
    elif isinstance(byte_range, generic.PdfObject):
        entries[generic.NameObject("/ByteRange")] = byte_range
    if contents is not None:
        entries[generic.NameObject("/Contents")] = generic.ByteStringObject(contents)
    return generic.DictionaryObject(entries)


def test_accepted_form() -> None:
    coverage = read_coverage(io.BytesIO(FILE), value())
    assert coverage.byte_range == RANGE
    assert (coverage.gap_start, coverage.gap_end, coverage.end) == (START, END, len(FILE))
    assert coverage.contents == bytes.fromhex("0a0b0c00")


def test_range_may_end_before_the_file() -> None:
    assert read_coverage(io.BytesIO(FILE + b"next revision"), value()).end == len(FILE)


@pytest.mark.parametrize(
    "byte_range",
    [
        None,
        pytest.param(generic.NullObject(), id="null"),
        generic.NumberObject(0),
        (),
        (0, START),
        (0, START, END),
        (*RANGE, 0, 0),
        (1, START - 1, END, len(TAIL)),
        (-1, START, END, len(TAIL)),
        (0, -START, END, len(TAIL)),
        (0, 0, END, len(TAIL)),
        (0, 0, 0, 0),
        (0, START, START, len(TAIL)),
        (0, END, START, len(TAIL)),
        (0, START, END, -1),
        (0, START, END, len(TAIL) + 1),
        (0, START, len(FILE) + 1, 0),
        (0, START, END, 10**30),
        (0, START - 1, END, len(TAIL)),
        (0, START + 1, END, len(TAIL)),
        (0, START, END - 1, len(TAIL) + 1),
        (0, START, END + 1, len(TAIL) - 1),
        (0, START + 2, END - 2, len(TAIL) + 2),
        (0, generic.FloatObject(START), END, len(TAIL)),
        (0, generic.pdf_string("14"), END, len(TAIL)),
    ],
    ids=repr,
)
def test_refused_geometry(byte_range: object) -> None:
    with pytest.raises(CoverageError):
        read_coverage(io.BytesIO(FILE), value(byte_range))


@pytest.mark.parametrize(
    "gap",
    [
        b"<0a0b0c00><0a0b>",
        b"<0a0b0c00> /X (y) <00>",
        b"<0a 0b % comment\n 0c00>",
        b"<0a0b0c0>",
        b"<0a0b0c0g>",
        b"(0a0b0c00)",
        b"<0a0b0c01>",
        b"<>",
        "<0a0b0c0٣>".encode(),
    ],
    ids=repr,
)
def test_gap_with_something_else(gap: bytes) -> None:
    byte_range = (0, START, START + len(gap), len(TAIL))
    with pytest.raises(CoverageError):
        read_coverage(io.BytesIO(HEAD + gap + TAIL), value(byte_range))


@pytest.mark.parametrize("contents", [None, b"", bytes.fromhex("0a0b0c")])
def test_contents_that_are_not_in_the_gap(contents: bytes | None) -> None:
    with pytest.raises(CoverageError):
        read_coverage(io.BytesIO(FILE), value(contents=contents))


@given(st.lists(st.integers(-5, len(FILE) + 5), min_size=4, max_size=4))
def test_only_one_range_fits(numbers: list[int]) -> None:
    try:
        coverage = read_coverage(io.BytesIO(FILE), value(tuple(numbers)))
    except CoverageError:
        return
    assert coverage.byte_range[:3] == RANGE[:3]
    assert END <= coverage.end <= len(FILE)


@given(st.binary(max_size=60), st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4))
def test_digests_over_nested_ranges(head: bytes, tails: list[bytes]) -> None:
    """Several signatures over one file, each covering the ones before it, by one reading of the file."""
    file = b"%" + head
    wanted, expected = [], {}
    pieces = []
    for tail in tails:
        gap_start = len(file)
        file += b"<ab>"
        pieces.append((gap_start, len(file), len(file) + len(tail)))
        file += tail
    for gap_start, gap_end, end in pieces:
        number = generic.ArrayObject([generic.NumberObject(n) for n in (0, gap_start, gap_end, end - gap_end)])
        coverage = read_coverage(io.BytesIO(file), value(number, b"\xab"))
        for algorithm in DigestAlgorithm:
            wanted.append((coverage, algorithm))
            covered = file[:gap_start] + file[gap_end:end]
            expected[coverage, algorithm] = hashlib.new(algorithm.value, covered).digest()
    assert digests(io.BytesIO(file), reversed(wanted)) == expected


def test_file_that_became_shorter() -> None:
    coverage = read_coverage(io.BytesIO(FILE), value())
    with pytest.raises(CoverageError, match="ends early"):
        digests(io.BytesIO(FILE[:-1]), [(coverage, DigestAlgorithm.SHA256)])
