"""PDFs that are well-formed and cost too much to read or to draw."""

import zlib

from tests.samples.damaged_syntax import edited
from tests.samples.writer import (
    CATALOG,
    FIRST_PAGE,
    ObjectStream,
    classic,
    compressed,
    replaced,
    stream,
    text_content,
    text_pages,
)

NESTING = 100_000
"""Depth of nested arrays."""

GIB = 1 << 30
"""Bytes that the deflate bombs decode to."""


def nested_arrays() -> bytes:
    """`NESTING` arrays, each in the next."""
    objects = text_pages(1, catalog="/PieceInfo 6 0 R")
    objects[6] = b"[" * NESTING + b"]" * NESTING
    return classic(objects)


def nested_arrays_in_page() -> bytes:
    """`NESTING` arrays in a page dictionary, which every reader has to parse."""
    return edited(FIRST_PAGE, b"/Contents", b"/Extra " + b"[" * NESTING + b"]" * NESTING + b" /Contents")


def type3_loop() -> bytes:
    """Two type 3 fonts whose glyphs are drawn with each other's."""
    objects = text_pages(1)
    for number, other, glyph in ((3, 6, 7), (6, 3, 8)):
        objects[number] = (
            "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [0.001 0 0 0.001 0 0] "
            f"/CharProcs << /a {glyph} 0 R >> /Encoding << /Type /Encoding /Differences [80 /a] >> "
            f"/FirstChar 80 /LastChar 80 /Widths [1000] /Resources << /Font << /F1 {other} 0 R >> >> >>"
        ).encode()
        objects[glyph] = stream(b"1000 0 d0 BT /F1 900 Tf (P) Tj ET")
    return classic(objects)


def form_xobject_loop() -> bytes:
    """A form XObject that draws itself."""
    objects = text_pages(1)
    objects[4] = replaced(objects[4], b"/Font <<", b"/XObject << /X 6 0 R >> /Font <<")
    objects[5] = stream(b"/X Do " + text_content("Page 1"))
    objects[6] = stream(
        b"/X Do 0 0 9 9 re f",
        "/Type /XObject /Subtype /Form /BBox [0 0 99 99] /Resources << /XObject << /X 6 0 R >> >>",
    )
    return classic(objects)


def deflate_bomb() -> bytes:
    """Page content of 1 GiB of blanks under one layer of deflate: 1 MB in the file."""
    return _with_content(stream(_deflated(b" ", GIB), "/Filter /FlateDecode"))


def deflate_bomb_layered() -> bytes:
    """Page content of 1 GiB of blanks under three layers of deflate: a file of about 1 kB."""
    packed = zlib.compress(zlib.compress(_deflated(b" ", GIB), 9), 9)
    return _with_content(stream(packed, "/Filter [/FlateDecode /FlateDecode /FlateDecode]"))


def object_stream_bomb() -> bytes:
    """The catalog is in an object stream that decodes to 80 MiB."""
    return compressed(text_pages(1), packed=[CATALOG], object_stream=ObjectStream(gap=b" " * (80 << 20)))


def image_bomb() -> bytes:
    """A grey image of 50,000 x 50,000 points: 2.5 GB decoded."""
    return _with_image(8, _deflated(b"\xff", 50_000 * 50_000))


def image_bilevel_huge() -> bytes:
    """A bilevel image of 50,000 x 50,000 points, as of a large plotter: 312 MB decoded."""
    return _with_image(1, _deflated(b"\xff", 6_250 * 50_000))


def image_size_stated() -> bytes:
    """An image said to have 50,000 x 50,000 points of which there are the first 1,000."""
    return _with_image(8, zlib.compress(b"\xff" * 1_000, 9))


def _with_content(content: bytes) -> bytes:
    return classic({**text_pages(1), FIRST_PAGE + 1: content})


def _with_image(bits: int, data: bytes) -> bytes:
    objects = text_pages(1)
    objects[4] = replaced(objects[4], b"/Font <<", b"/XObject << /Im1 6 0 R >> /Font <<")
    objects[5] = stream(b"q 500 0 0 500 48 150 cm /Im1 Do Q " + text_content("Page 1"))
    objects[6] = stream(
        data,
        "/Type /XObject /Subtype /Image /Width 50000 /Height 50000 /ColorSpace /DeviceGray "
        f"/BitsPerComponent {bits} /Filter /FlateDecode",
    )
    return classic(objects)


def _deflated(byte: bytes, size: int) -> bytes:
    """`size` times `byte`, deflated without deflating it all: equal blocks compress to equal bytes."""
    block = 1 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(byte * block) + packer.flush(zlib.Z_FULL_FLUSH)
    whole, rest = divmod(size, block)
    end = zlib.compressobj(9, zlib.DEFLATED, -15)
    last = end.compress(byte * rest) + end.flush()
    low = (1 + size * byte[0]) % 65521
    high = (size + byte[0] * size * (size + 1) // 2) % 65521
    return b"\x78\xda" + packed * whole + last + (high << 16 | low).to_bytes(4)
