"""A raw writer of PDF syntax (ISO 32000-1, 7.5), for files whose bytes matter.

Objects are given as ``{number: body}``; the body is the PDF text between ``obj`` and ``endobj``. Nothing is
checked: the same functions lay out sound files and, with other arguments, damaged ones.
"""

import hashlib
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

HEADER_COMMENT = b"%\xe2\xe3\xcf\xd3\n"
"""Four bytes above 127 behind the header: this file is binary (7.5.2)."""

Objects = Mapping[int, bytes]

CATALOG, PAGES, FONT, FIRST_PAGE = 1, 2, 3, 4
"""Object numbers in what `text_pages` gives; page ``i`` is ``FIRST_PAGE + 2 * i``, its content the next one."""


@dataclass(frozen=True)
class Body:
    """Header and objects of a file, or of one incremental update, without cross-references."""

    data: bytes
    offsets: dict[int, int]


def stream(data: bytes, entries: str = "") -> bytes:
    """A stream object around `data`, which is already encoded as /Filter in `entries` says."""
    return b"<< %s/Length %d >>\nstream\n%s\nendstream" % (_spaced(entries), len(data), data)


def flate(data: bytes, entries: str = "") -> bytes:
    """A stream object that holds `data` deflated."""
    return stream(zlib.compress(data, 9), f"{entries} /Filter /FlateDecode".strip())


def text_content(text: str, size: int = 24) -> bytes:
    """Page content that shows one line of Latin-1 text in font /F1."""
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT /F1 {size} Tf 72 700 Td ({escaped}) Tj ET".encode("latin-1")


def text_pages(
    count: int = 1,
    *,
    text: str = "Page",
    catalog: str = "",
    page: str = "",
    media_box: str = "[0 0 595 842]",
) -> dict[int, bytes]:
    """Objects of a document of `count` A4 pages with a line of text each.

    `catalog` and `page` are further entries of the catalog and of every page dictionary.
    """
    kids = " ".join(f"{FIRST_PAGE + 2 * i} 0 R" for i in range(count))
    objects = {
        CATALOG: f"<< /Type /Catalog /Pages 2 0 R {catalog} >>".encode("latin-1"),
        PAGES: f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for i in range(count):
        number = FIRST_PAGE + 2 * i
        objects[number] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox {media_box} "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {number + 1} 0 R {page} >>"
        ).encode("latin-1")
        objects[number + 1] = stream(text_content(f"{text} {i + 1}"))
    return objects


def lay_out(objects: Objects, *, version: str = "1.7", after: bytes = b"") -> Body:
    """Header (or, behind the bytes `after`, none) and the objects in the order given."""
    data = bytearray(after or b"%%PDF-%s\n" % version.encode() + HEADER_COMMENT)
    offsets = {}
    for number, content in objects.items():
        offsets[number] = len(data)
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    return Body(bytes(data), offsets)


def entry(offset: int, generation: int = 0, kind: str = "n") -> bytes:
    """A cross-reference entry of 20 bytes (7.5.4); for a free one `offset` is the next free number."""
    return b"%010d %05d %s \n" % (offset, generation, kind.encode())


def subsections(offsets: Mapping[int, int], *, with_zero: bool = True) -> list[tuple[int, list[bytes]]]:
    """Cross-reference subsections ``(first number, entries)`` for objects in use of generation 0."""
    sections: list[tuple[int, list[bytes]]] = [(0, [entry(0, 65535, "f")])] if with_zero else []
    for number in sorted(offsets):
        if not sections or sections[-1][0] + len(sections[-1][1]) != number:
            sections.append((number, []))
        sections[-1][1].append(entry(offsets[number]))
    return sections


def table(sections: Sequence[tuple[int, Sequence[bytes]]]) -> bytes:
    """The cross-reference table with its keyword."""
    return b"xref\n" + b"".join(b"%d %d\n%s" % (first, len(entries), b"".join(entries)) for first, entries in sections)


def file_id(data: bytes) -> str:
    """An /ID entry that depends on `data` only (14.4)."""
    digest = hashlib.sha256(data).hexdigest()[:32]
    return f"/ID [<{digest}> <{digest}>]"


def tail(startxref: int, trailer: str | None = None) -> bytes:
    """Trailer dictionary (unless an xref stream has it already), startxref and the end-of-file marker."""
    dictionary = b"" if trailer is None else b"trailer\n<< %s >>\n" % trailer.encode("latin-1")
    return dictionary + b"startxref\n%d\n%%%%EOF\n" % startxref


def classic(objects: Objects, *, version: str = "1.7", trailer: str = "", root: int = CATALOG) -> bytes:
    """A file of one revision with a cross-reference table."""
    body = lay_out(objects, version=version)
    entries = f"/Size {max(objects) + 1} /Root {root} 0 R {file_id(body.data)} {trailer}"
    return body.data + table(subsections(body.offsets)) + tail(len(body.data), entries)


def startxref_of(data: bytes) -> int:
    """The last startxref offset of a file that this module wrote."""
    return int(data[data.rindex(b"startxref") + 9 :].split()[0])


def update(previous: bytes, objects: Objects, *, size: int, trailer: str = "", root: int = CATALOG) -> bytes:
    """`previous` with one incremental update behind it (7.5.6); `size` is the /Size of the result."""
    body = lay_out(objects, after=previous)
    entries = f"/Size {size} /Root {root} 0 R /Prev {startxref_of(previous)} {_next_id(body.data)} {trailer}"
    sections = subsections(body.offsets, with_zero=False)
    return body.data + table(sections) + tail(len(body.data), entries)


@dataclass(frozen=True)
class ObjectStream:
    """How an object stream (7.5.7) states its contents; None stands for the true value."""

    count: int | None = None
    first: int | None = None
    entries: str = ""
    gap: bytes = b"\n"
    """Between one object and the next."""

    def build(self, objects: Objects) -> bytes:
        index, content = [], bytearray()
        for number, value in objects.items():
            index.append(f"{number} {len(content)}")
            content += value + self.gap
        head = (" ".join(index) + "\n").encode()
        count = len(objects) if self.count is None else self.count
        first = len(head) if self.first is None else self.first
        return flate(head + bytes(content), f"/Type /ObjStm /N {count} /First {first} {self.entries}".strip())


def xref_rows(offsets: Mapping[int, int], packed: Mapping[int, tuple[int, int]], size: int) -> bytes:
    """Rows of an xref stream with /W [1 4 2] for the object numbers below `size` (7.5.8.3)."""
    rows = bytearray()
    for number in range(size):
        if number in packed:
            kind, second, third = 2, *packed[number]
        elif number in offsets:
            kind, second, third = 1, offsets[number], 0
        else:
            kind, second, third = 0, 0, 65535
        rows += bytes([kind]) + second.to_bytes(4) + third.to_bytes(2)
    return bytes(rows)


def xref_stream(rows: bytes, size: int, *, trailer: str = "", root: int = CATALOG) -> bytes:
    """An xref stream object over `rows`."""
    return flate(rows, f"/Type /XRef /W [1 4 2] /Size {size} /Root {root} 0 R {trailer}".strip())


def compressed(
    objects: Objects,
    *,
    packed: Collection[int],
    object_stream: ObjectStream = ObjectStream(),
    version: str = "1.5",
    size: int | None = None,
    root: int = CATALOG,
) -> bytes:
    """A file with an xref stream, in which the objects `packed` are in one object stream.

    The object stream and the xref stream get the two next free numbers; `size` overrides the stated /Size
    and the number of rows.
    """
    container = max(objects) + 1
    plain = {number: value for number, value in objects.items() if number not in packed}
    plain[container] = object_stream.build({number: objects[number] for number in packed})
    body = lay_out(plain, version=version)
    where = {number: (container, i) for i, number in enumerate(packed)}
    total = container + 2 if size is None else size
    rows = xref_rows({**body.offsets, container + 1: len(body.data)}, where, total)
    stm = xref_stream(rows, total, trailer=file_id(body.data), root=root)
    return body.data + b"%d 0 obj\n%s\nendobj\n" % (container + 1, stm) + tail(len(body.data))


def replaced(data: bytes, old: bytes, new: bytes, count: int = 1) -> bytes:
    """`data` with `old` replaced, which must occur exactly `count` times.

    Raises:
        ValueError: it occurs more or less often, so the edit would not be the one meant.
    """
    if (found := data.count(old)) != count:
        raise ValueError(f"{old!r} occurs {found} times, not {count}")
    return data.replace(old, new)


def _next_id(data: bytes) -> str:
    """The /ID entry of an update: the first identifier stays, if there was one."""
    fresh = hashlib.sha256(data).hexdigest()[:32]
    start = data.rfind(b"/ID [<")
    permanent = fresh if start < 0 else data[start + 6 : start + 38].decode()
    return f"/ID [<{permanent}> <{fresh}>]"


def _spaced(entries: str) -> bytes:
    return entries.encode("latin-1") + b" " if entries else b""
