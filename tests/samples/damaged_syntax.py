"""PDFs whose keywords, streams or dictionaries are damaged (ISO 32000-1, 7.3)."""

import zlib
from collections.abc import Callable

from tests.samples.writer import CATALOG, FIRST_PAGE, classic, replaced, stream, text_content, text_pages


def edited(number: int, old: bytes, new: bytes, *, pages: int = 2) -> bytes:
    """A sound document with one edit in one object; offsets and lengths around it stay right."""
    objects = text_pages(pages)
    objects[number] = replaced(objects[number], old, new)
    return classic(objects)


def _endings(change: Callable[[bytes], bytes], number: int = 5) -> bytes:
    objects = text_pages(2)
    objects[number] = change(objects[number])
    return classic(objects)


def endobj_glued() -> bytes:
    """No line end before endobj."""
    return _without_following_offsets(b">>\nendobj\n4 0 obj", b">>endobj\n\n4 0 obj")


def endobj_missing() -> bytes:
    """The font object has no endobj."""
    return _without_following_offsets(b">>\nendobj\n4 0 obj", b">>\n      \n4 0 obj")


def endstream_missing() -> bytes:
    """A stream without endstream; /Length is right."""
    return _endings(lambda value: value.removesuffix(b"\nendstream"))


def endstream_glued() -> bytes:
    """No line end before endstream."""
    return edited(5, b"\nendstream", b"endstream")


def stream_cr_only() -> bytes:
    """The keyword stream is followed by a carriage return alone (forbidden by 7.3.8.1)."""
    return edited(5, b"stream\nBT", b"stream\rBT")


def stream_no_line_end() -> bytes:
    """The keyword stream is followed by a space."""
    return edited(5, b"stream\nBT", b"stream BT")


def length_too_short() -> bytes:
    """/Length is 10 lower than the data."""
    return _length(lambda length: length - 10)


def length_too_long() -> bytes:
    """/Length is 10 higher than the data."""
    return _length(lambda length: length + 10)


def length_past_end() -> bytes:
    """/Length goes behind the end of the file."""
    return _length(lambda _: 99_999_999)


def length_negative() -> bytes:
    """/Length -1."""
    return _length(lambda _: -1)


def length_missing() -> bytes:
    """A stream without /Length."""
    data = text_content("Page 1")
    return edited(5, b"/Length %d " % len(data), b"")


def length_reference_missing() -> bytes:
    """/Length is a reference to an object that does not exist."""
    data = text_content("Page 1")
    return edited(5, b"/Length %d" % len(data), b"/Length 77 0 R")


def length_reference_to_itself() -> bytes:
    """/Length is a reference to the stream."""
    data = text_content("Page 1")
    return edited(5, b"/Length %d" % len(data), b"/Length 5 0 R")


def flate_truncated() -> bytes:
    """Deflated page content that ends too early."""
    packed = zlib.compress(text_content("Page 1") * 40, 9)
    return _endings(lambda _: stream(packed[: len(packed) // 2], "/Filter /FlateDecode"))


def filter_unknown() -> bytes:
    """Page content under a filter that does not exist."""
    return _endings(lambda _: stream(text_content("Page 1"), "/Filter /Sample"))


def duplicate_key_catalog() -> bytes:
    """The catalog has /Pages twice, with the same value."""
    return edited(CATALOG, b"/Pages 2 0 R", b"/Pages 2 0 R /Pages 2 0 R")


def duplicate_key_contents() -> bytes:
    """Page 1 has /Contents twice, with different values: readers may show different pages."""
    return edited(FIRST_PAGE, b"/Contents 5 0 R", b"/Contents 5 0 R /Contents 7 0 R")


def duplicate_key_escaped() -> bytes:
    """Page 1 has /Contents twice, once written /Cont#65nts, with different values."""
    return edited(FIRST_PAGE, b"/Contents 5 0 R", b"/Contents 5 0 R /Cont#65nts 7 0 R")


def duplicate_key_trailer() -> bytes:
    """The trailer has /Size twice."""
    return replaced(classic(text_pages(2)), b"/Size 8", b"/Size 8 /Size 8")


def dictionary_unbalanced() -> bytes:
    """The page dictionary lacks its closing brackets."""
    return _endings(lambda value: value.rstrip().removesuffix(b">>"), FIRST_PAGE)


def dictionary_key_without_value() -> bytes:
    """A dictionary whose last key has no value."""
    return edited(FIRST_PAGE, b"/Contents 5 0 R ", b"/Contents 5 0 R /Rotate")


def name_bad_escape() -> bytes:
    """A name with a number sign that starts no escape."""
    return edited(FIRST_PAGE, b"/Contents", b"/Bad#zz 1 /Contents")


def string_unbalanced() -> bytes:
    """A string in the page dictionary that is never closed."""
    return edited(FIRST_PAGE, b"/Contents", b"/LastModified (D:2024 /Contents")


def reference_missing() -> bytes:
    """A reference to an object that is not in the file, which means null (7.3.10)."""
    return edited(FIRST_PAGE, b"/Contents", b"/Metadata 99 0 R /Contents")


def contents_missing() -> bytes:
    """Page 1's /Contents refers to an object that is not in the file."""
    return edited(FIRST_PAGE, b"/Contents 5 0 R", b"/Contents 99 0 R")


def _length(change: Callable[[int], int]) -> bytes:
    length = len(text_content("Page 1"))
    return edited(5, b"/Length %d" % length, b"/Length %d" % change(length))


def _without_following_offsets(old: bytes, new: bytes) -> bytes:
    """An edit across objects that keeps every offset."""
    if len(old) != len(new):
        raise ValueError("the edit would move what follows")
    return replaced(classic(text_pages(2)), old, new)
