"""Sound PDFs that differ in file structure: cross-references, revisions, page tree, version."""

import io
from collections.abc import Callable

import pikepdf

from tests.samples.writer import (
    CATALOG,
    FIRST_PAGE,
    FONT,
    PAGES,
    classic,
    compressed,
    entry,
    file_id,
    flate,
    lay_out,
    replaced,
    stream,
    table,
    tail,
    text_content,
    text_pages,
    update,
)

DEPTH = 20
"""Levels of page tree nodes in `deep_page_tree`."""


def one_page() -> bytes:
    """One A4 page with one line of text and a cross-reference table."""
    return classic(text_pages())


def blank_page() -> bytes:
    """A page without /Contents, which is allowed (ISO 32000-1, table 30)."""
    objects = text_pages()
    objects[FIRST_PAGE] = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>"
    del objects[FIRST_PAGE + 1]
    return classic(objects)


def split_content() -> bytes:
    """Page content in three streams, cut between tokens; the page is their concatenation (7.8.2)."""
    objects = text_pages()
    objects[FIRST_PAGE] = replaced(objects[FIRST_PAGE], b"/Contents 5 0 R", b"/Contents [5 0 R 6 0 R 7 0 R]")
    objects[5] = stream(b"BT /F1 24 Tf 72 700")
    objects[6] = flate(b"Td (Page in three)")
    objects[7] = stream(b"Tj ET")
    return classic(objects)


def crlf_line_ends() -> bytes:
    """CR LF wherever the syntax has an end of line, as programs on Windows write it."""
    objects = {
        number: value.replace(b"\nstream\n", b"\r\nstream\r\n").replace(b"\nendstream", b"\r\nendstream")
        for number, value in text_pages(2).items()
    }
    data, offsets = bytearray(b"%PDF-1.4\r\n"), {}
    for number, value in objects.items():
        offsets[number] = len(data)
        data += b"%d 0 obj\r\n%s\r\nendobj\r\n" % (number, value)
    rows = [entry(0, 65535, "f")] + [entry(offset) for _, offset in sorted(offsets.items())]
    xref = table([(0, [row.replace(b" \n", b"\r\n") for row in rows])]).replace(b"xref\n", b"xref\r\n", 1)
    xref = xref.replace(b"0 8\n", b"0 8\r\n", 1)
    end = tail(len(data), f"/Size 8 /Root 1 0 R {file_id(bytes(data))}").replace(b"\n", b"\r\n")
    return bytes(data) + xref + end


def pdf_1_3_classic_xref() -> bytes:
    """Version 1.3 as printers' drivers wrote it: a table, no /ID, no compression."""
    objects = text_pages(2)
    body = lay_out(objects, version="1.3")
    rows = [entry(0, 65535, "f"), *(entry(body.offsets[n]) for n in sorted(objects))]
    return body.data + table([(0, rows)]) + tail(len(body.data), f"/Size {len(rows)} /Root 1 0 R")


def pdf_2_0() -> bytes:
    """Version 2.0 with XMP metadata instead of /Info and an output intent on the page."""
    objects = text_pages(catalog="/Metadata 6 0 R")
    xmp = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/"><xmp:CreateDate>2024-01-01T00:00:00Z</xmp:CreateDate>'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )
    objects[6] = stream(xmp.encode(), "/Type /Metadata /Subtype /XML")
    return classic(objects, version="2.0")


def catalog_version() -> bytes:
    """Header 1.4, raised to 1.7 by the catalog's /Version (7.2.2)."""
    return classic(text_pages(catalog="/Version /1.7"), version="1.4")


def xref_stream() -> bytes:
    """PDF 1.5 with catalog, page tree and font in an object stream, hand-written."""
    return compressed(text_pages(2), packed=[CATALOG, PAGES, FONT])


def object_streams() -> bytes:
    """PDF 1.5 with object streams as qpdf writes them."""
    return _saved(classic(text_pages(3), version="1.4"), object_stream_mode=pikepdf.ObjectStreamMode.generate)


def linearised() -> bytes:
    """Linearised ("fast web view"): two xref tables, the first one pointing forward (Annex F)."""
    return _saved(classic(text_pages(5)), linearize=True)


def linearised_object_streams() -> bytes:
    """Linearised with xref streams."""
    return _saved(classic(text_pages(5)), linearize=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def incremental_updates() -> bytes:
    """Three revisions: two pages, then another content of page 1, then a third page."""
    first = classic(text_pages(2))
    second = update(first, {5: stream(text_content("Page 1, second revision"))}, size=8)
    third = {
        PAGES: b"<< /Type /Pages /Kids [4 0 R 6 0 R 8 0 R] /Count 3 >>",
        8: text_pages(3)[8],
        9: stream(text_content("Page 3, third revision")),
    }
    return update(second, third, size=10)


def incremental_xref_streams() -> bytes:
    """A revision with an xref stream, updated by one with an xref stream."""
    first = compressed(text_pages(2), packed=[CATALOG, PAGES])
    start = len(first)
    body = lay_out({5: stream(text_content("Page 1, second revision"))}, after=first)
    size = 11
    prev = int(first[first.rindex(b"startxref") + 9 :].split()[0])
    rows = b"\x01" + body.offsets[5].to_bytes(4) + b"\0\0" + b"\x01" + len(body.data).to_bytes(4) + b"\0\0"
    entries = f"/Type /XRef /W [1 4 2] /Index [5 1 10 1] /Size {size} /Root 1 0 R /Prev {prev} {file_id(first[:start])}"
    return body.data + b"10 0 obj\n%s\nendobj\n" % flate(rows, entries) + tail(len(body.data))


def free_entries() -> bytes:
    """A table with a linked list of free entries and a hole that was used again at generation 1.

    Object 6 was freed in revision 2 and comes back as ``6 1 R`` in revision 3 (7.5.4, 7.5.6).
    """
    objects = text_pages(catalog="/PieceInfo << /Sample << /Private 6 0 R >> >>")
    objects[6] = b"(first life)"
    first = classic(objects)
    catalog = objects[CATALOG].replace(b"6 0 R", b"null")
    freed = lay_out({CATALOG: catalog}, after=first)
    sections = [
        (0, [entry(6, 65535, "f"), entry(freed.offsets[CATALOG])]),
        (6, [entry(0, 1, "f")]),
    ]
    prev = int(first[first.rindex(b"startxref") + 9 :].split()[0])
    ids = file_id(first)
    second = freed.data + table(sections) + tail(len(freed.data), f"/Size 7 /Root 1 0 R /Prev {prev} {ids}")
    reborn = lay_out({CATALOG: objects[CATALOG].replace(b"6 0 R", b"6 1 R")}, after=second)
    at = len(reborn.data)
    data = reborn.data + b"6 1 obj\n(second life)\nendobj\n"
    rows = [
        (0, [entry(0, 65535, "f"), entry(reborn.offsets[CATALOG])]),
        (6, [entry(at, 1)]),
    ]
    return data + table(rows) + tail(len(data), f"/Size 7 /Root 1 0 R /Prev {len(freed.data)} {ids}")


def deep_page_tree() -> bytes:
    """Two pages below `DEPTH` levels of page tree nodes; /MediaBox and /Resources are inherited from the top."""
    objects: dict[int, bytes] = {
        CATALOG: b"<< /Type /Catalog /Pages 2 0 R >>",
        FONT: text_pages()[FONT],
        4: stream(text_content("Deep page")),
    }
    numbers = [PAGES, *range(5, 5 + DEPTH - 1)]
    leaf = numbers[-1] + 1
    for level, number in enumerate(numbers):
        last = level == DEPTH - 1
        kids = f"{leaf} 0 R {leaf + 1} 0 R" if last else f"{numbers[level + 1]} 0 R"
        top = "/MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
        parent = f"/Parent {numbers[level - 1]} 0 R" if level else top
        objects[number] = f"<< /Type /Pages /Kids [{kids}] /Count 2 {parent} >>".encode()
    for number in (leaf, leaf + 1):
        objects[number] = f"<< /Type /Page /Parent {numbers[-1]} 0 R /Contents 4 0 R >>".encode()
    return classic(objects)


def _saved(
    data: bytes,
    *,
    linearize: bool = False,
    object_stream_mode: pikepdf.ObjectStreamMode = pikepdf.ObjectStreamMode.disable,
) -> bytes:
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        pdf.save(output, deterministic_id=True, linearize=linearize, object_stream_mode=object_stream_mode)
    return output.getvalue()


STRUCTURE: dict[str, Callable[[], bytes]] = {
    make.__name__: make
    for make in (
        one_page,
        blank_page,
        split_content,
        crlf_line_ends,
        pdf_1_3_classic_xref,
        pdf_2_0,
        catalog_version,
        xref_stream,
        object_streams,
        linearised,
        linearised_object_streams,
        incremental_updates,
        incremental_xref_streams,
        free_entries,
        deep_page_tree,
    )
}
