"""PDFs whose xref streams or object streams are damaged (ISO 32000-1, 7.5.7 and 7.5.8)."""

from collections.abc import Callable

from tests.samples.writer import (
    CATALOG,
    FONT,
    PAGES,
    ObjectStream,
    compressed,
    file_id,
    lay_out,
    tail,
    text_pages,
    xref_rows,
    xref_stream,
)

SIZE = 8
"""Number of the xref stream of the two-page document that is damaged here."""


def xref_stream_rows_missing() -> bytes:
    """An xref stream with fewer rows than /Size says."""
    return _with_xref_stream(lambda rows: rows[:-14])


def xref_stream_rows_left_over() -> bytes:
    """An xref stream with more rows than /Size says."""
    return _with_xref_stream(lambda rows: rows + bytes(14))


def xref_stream_size_too_small() -> bytes:
    """An xref stream whose /Size and rows leave itself out."""
    return compressed(text_pages(2), packed=[CATALOG, PAGES, FONT], size=9)


def xref_stream_unknown_kind() -> bytes:
    """An xref stream with an entry of type 7, to be read as the null object (table 18): page 1's content."""
    return _with_xref_stream(lambda rows: rows[: 5 * 7] + b"\7" + rows[5 * 7 + 1 :])


def _with_xref_stream(change: Callable[[bytes], bytes]) -> bytes:
    body = lay_out(text_pages(2), version="1.5")
    size = SIZE + 1
    rows = change(xref_rows({**body.offsets, SIZE: len(body.data)}, {}, size))
    stm = xref_stream(rows, size, trailer=file_id(body.data))
    return body.data + b"8 0 obj\n%s\nendobj\n" % stm + tail(len(body.data))


def object_stream_gaps() -> bytes:
    """Blanks and a comment between the objects of an object stream."""
    return _packed(ObjectStream(gap=b"   \n% gap\n   "))


def object_stream_first_wrong() -> bytes:
    """/First of an object stream is 3 too low."""
    return _packed(ObjectStream(first=11))


def object_stream_count_too_small() -> bytes:
    """/N of an object stream is 2 though three objects are in it."""
    return _packed(ObjectStream(count=2))


def object_stream_count_too_big() -> bytes:
    """/N of an object stream is 9 though three objects are in it."""
    return _packed(ObjectStream(count=9))


def object_stream_extends_itself() -> bytes:
    """An object stream that /Extends itself."""
    return _packed(ObjectStream(entries="/Extends 8 0 R"))


def _packed(object_stream: ObjectStream) -> bytes:
    return compressed(text_pages(2), packed=[CATALOG, PAGES, FONT], object_stream=object_stream)
