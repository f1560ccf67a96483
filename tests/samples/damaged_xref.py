"""PDFs whose cross-references, trailer or end are damaged (ISO 32000-1, 7.5.4 to 7.5.8)."""

from collections.abc import Callable

from tests.samples.writer import (
    classic,
    entry,
    file_id,
    flate,
    lay_out,
    replaced,
    startxref_of,
    stream,
    subsections,
    table,
    tail,
    text_content,
    text_pages,
    update,
)

SIZE = 8
"""/Size of the two-page document that is damaged here: objects 1 to 7."""

Rows = list[bytes]


def sound() -> bytes:
    """The file before the damage: two pages, one cross-reference table."""
    return classic(text_pages(2))


def with_rows(change: Callable[[Rows], None], *, end: Callable[[int], bytes] | None = None) -> bytes:
    """The file with its cross-reference rows changed in place; `end` overrides trailer and startxref."""
    body = lay_out(text_pages(2))
    ((first, rows),) = subsections(body.offsets)
    change(rows)
    at = len(body.data)
    return body.data + table([(first, rows)]) + (end(at) if end else tail(at, _trailer()))


def with_end(end: bytes) -> bytes:
    """The file with `end` instead of everything behind the cross-reference table."""
    return with_rows(lambda _: None, end=lambda _: end)


def _trailer(size: int = SIZE, rest: str = "") -> str:
    return f"/Size {size} /Root 1 0 R {file_id(b'damaged')} {rest}"


def size_too_small() -> bytes:
    """/Size 5 though the table goes to object 7."""
    return with_rows(lambda _: None, end=lambda at: tail(at, _trailer(5)))


def size_too_big() -> bytes:
    """/Size 100 though the table ends at object 7."""
    return with_rows(lambda _: None, end=lambda at: tail(at, _trailer(100)))


def size_huge() -> bytes:
    """/Size of 2,000,000,000: objects that are added get numbers that pdfium does not look up."""
    return with_rows(lambda _: None, end=lambda at: tail(at, _trailer(2_000_000_000)))


def _shift(rows: Rows, numbers: range, by: int) -> None:
    for number in numbers:
        rows[number] = entry(int(rows[number][:10]) + by)


def offset_off_by_one() -> bytes:
    """Object 5 (a page's content) is said to start one byte too late, in the middle of nowhere."""
    return with_rows(lambda rows: _shift(rows, range(5, 6), 1))


def offset_before_by_one() -> bytes:
    """Object 5 is said to start one byte too early, on the line end before it."""
    return with_rows(lambda rows: _shift(rows, range(5, 6), -1))


def offsets_shifted() -> bytes:
    """All offsets are 10 too high, startxref too: the header was cut shorter after writing."""
    return with_rows(lambda rows: _shift(rows, range(1, SIZE), 10), end=lambda at: tail(at + 10, _trailer()))


def offset_zero() -> bytes:
    """An object in use at offset 0."""

    def change(rows: Rows) -> None:
        rows[5] = entry(0)

    return with_rows(change)


def offset_past_end() -> bytes:
    """An object in use at an offset behind the end of the file."""

    def change(rows: Rows) -> None:
        rows[5] = entry(9_999_999)

    return with_rows(change)


def offset_spaces() -> bytes:
    """Offsets padded with spaces instead of zeros."""

    def change(rows: Rows) -> None:
        rows[1:] = [b"%10d" % int(row[:10]) + row[10:] for row in rows[1:]]

    return with_rows(change)


def generation_65536() -> bytes:
    """The head of the free list has generation 65536."""

    def change(rows: Rows) -> None:
        rows[0] = entry(0, 65536, "f")

    return with_rows(change)


def generation_65536_in_use() -> bytes:
    """An object in use has generation 65536."""

    def change(rows: Rows) -> None:
        rows[5] = entry(int(rows[5][:10]), 65536)

    return with_rows(change)


def generation_mismatch() -> bytes:
    """The table says generation 1 of an object that is written, and referred to, as generation 0."""

    def change(rows: Rows) -> None:
        rows[5] = entry(int(rows[5][:10]), 1)

    return with_rows(change)


def object_number_mismatch() -> bytes:
    """The entry of page 1's content points at page 2's content."""

    def change(rows: Rows) -> None:
        rows[5] = rows[7]

    return with_rows(change)


def used_object_free() -> bytes:
    """The entry of page 1's content says it is free."""

    def change(rows: Rows) -> None:
        rows[5] = entry(0, 1, "f")

    return with_rows(change)


def used_page_free() -> bytes:
    """The entry of page 1 says it is free."""

    def change(rows: Rows) -> None:
        rows[4] = entry(0, 1, "f")

    return with_rows(change)


def unknown_entry_kind() -> bytes:
    """An entry that is neither in use nor free."""

    def change(rows: Rows) -> None:
        rows[5] = entry(int(rows[5][:10]), 0, "x")

    return with_rows(change)


def entries_19_bytes() -> bytes:
    """Entries of 19 bytes: a single line feed without the space before it."""

    def change(rows: Rows) -> None:
        rows[:] = [row.replace(b" \n", b"\n") for row in rows]

    return with_rows(change)


def entries_21_bytes() -> bytes:
    """Entries of 21 bytes: space, carriage return and line feed."""

    def change(rows: Rows) -> None:
        rows[:] = [row.replace(b" \n", b" \r\n") for row in rows]

    return with_rows(change)


def subsection_starts_at_one() -> bytes:
    """The table claims to start at object 1 though its first row is the free list's head."""
    return replaced(sound(), b"xref\n0 8\n", b"xref\n1 8\n")


def subsection_count_too_big() -> bytes:
    """The table claims two rows more than it has."""
    return replaced(sound(), b"xref\n0 8\n", b"xref\n0 10\n")


def subsection_count_too_small() -> bytes:
    """The table claims two rows fewer than it has."""
    return replaced(sound(), b"xref\n0 8\n", b"xref\n0 6\n")


def hybrid_xref() -> bytes:
    """Hybrid as word processors write it: a table, and an empty second one with /XRefStm (7.5.8.4).

    Page 2's objects are free in the first table and in use in the xref stream.
    """
    data, sections, at = _hybrid()
    first = data + table(sections) + tail(len(data), _trailer(SIZE + 1))
    trailer = _trailer(SIZE + 1, f"/Prev {len(data)} /XRefStm {at}")
    return first + b"xref\n0 0\n" + tail(len(first), trailer)


def hybrid_xref_one_section() -> bytes:
    """Hybrid with the table and /XRefStm in one section, as the standard's own example has it (H.7)."""
    data, sections, at = _hybrid()
    return data + table(sections) + tail(len(data), _trailer(SIZE + 1, f"/XRefStm {at}"))


def _hybrid() -> tuple[bytes, list[tuple[int, Rows]], int]:
    """Body with the xref stream, sections of the table, offset of the xref stream."""
    body = lay_out(text_pages(2), version="1.5")
    hidden = (6, 7)
    at = len(body.data)
    rows = b"".join(b"\1" + body.offsets[number].to_bytes(4) + b"\0\0" for number in hidden)
    stm = flate(rows, f"/Type /XRef /W [1 4 2] /Index [6 2] /Size {SIZE + 1} /Root 1 0 R")
    shown = [entry(body.offsets[number]) for number in range(1, 6)]
    free = [entry(7, 65535, "f"), entry(0, 65535, "f")]
    data = body.data + b"8 0 obj\n%s\nendobj\n" % stm
    return data, [(0, [entry(6, 65535, "f"), *shown, *free, entry(at)])], at


def subsection_overlap() -> bytes:
    """Object 5 is listed twice in one table, first with page 1's content, then with a copy of another text."""
    objects = text_pages(2)
    body = lay_out(objects)
    other = len(body.data)
    data = body.data + b"5 0 obj\n%s\nendobj\n" % stream(text_content("Page 1, other"))
    ((first, rows),) = subsections(body.offsets)
    return data + table([(first, rows), (5, [entry(other)])]) + tail(len(data), _trailer())


def startxref_same_line() -> bytes:
    """No line end between startxref and the offset."""
    return replaced(sound(), b"startxref\n", b"startxref ")


def startxref_glued() -> bytes:
    """Not even a space between startxref and the offset."""
    return replaced(sound(), b"startxref\n", b"startxref")


def startxref_padded() -> bytes:
    """The startxref offset is padded with spaces on both sides."""
    data = sound()
    offset = b"%d" % startxref_of(data)
    return replaced(data, b"startxref\n" + offset, b"startxref\n      " + offset + b"    ")


def startxref_missing() -> bytes:
    """Neither startxref nor its offset."""
    return with_end(b"trailer\n<< %s >>\n%%%%EOF\n" % _trailer().encode())


def startxref_past_end() -> bytes:
    """startxref points behind the end of the file."""
    return with_end(tail(10_000_000, _trailer()))


def startxref_zero() -> bytes:
    """startxref 0, as in the first part of a linearised file."""
    return with_end(tail(0, _trailer()))


def startxref_off_by_one() -> bytes:
    """startxref points at the second letter of "xref"."""
    return with_rows(lambda _: None, end=lambda at: tail(at + 1, _trailer()))


def startxref_into_content() -> bytes:
    """startxref points at the first object."""
    return with_end(tail(len(b"%PDF-1.7\n") + 6, _trailer()))


def eof_missing() -> bytes:
    """No %%EOF."""
    return sound().removesuffix(b"%%EOF\n")


def startxref_after_eof() -> bytes:
    """Two revisions, and behind the end-of-file marker a startxref of the first without a marker of its own."""
    data = update(sound(), {5: stream(text_content("Page 1, second revision"))}, size=SIZE)
    return data + b"startxref\n%d\n" % startxref_of(sound())


def trailer_root_missing() -> bytes:
    """The trailer has no /Root; the catalog is there."""
    return replaced(sound(), b"/Root 1 0 R", b"")


def trailer_root_is_pages() -> bytes:
    """/Root names the page tree."""
    return replaced(sound(), b"/Root 1 0 R", b"/Root 2 0 R")


def trailer_missing() -> bytes:
    """No trailer dictionary at all."""
    return with_rows(lambda _: None, end=tail)


def xref_missing() -> bytes:
    """No cross-reference table; startxref points at the trailer."""
    body = lay_out(text_pages(2))
    return body.data + tail(len(body.data), _trailer())


def prev_to_itself() -> bytes:
    """/Prev points at its own table."""
    return with_rows(lambda _: None, end=lambda at: tail(at, _trailer(rest=f"/Prev {at}")))


def prev_cycle() -> bytes:
    """Two revisions, the first of which has the second as /Prev."""
    first = replaced(sound(), b"/Size 8", b"/Size 8 /Prev 0000")
    data = update(first, {5: stream(text_content("Page 1, second revision"))}, size=SIZE)
    return replaced(data, b"/Prev 0000", b"/Prev %04d" % startxref_of(data))


def prev_wrong() -> bytes:
    """/Prev of the second revision points into the middle of an object."""
    data = update(sound(), {5: stream(text_content("Page 1, second revision"))}, size=SIZE)
    return replaced(data, b"/Prev %d" % startxref_of(sound()), b"/Prev 77")


def prev_past_end() -> bytes:
    """/Prev of the only revision points behind the end of the file."""
    return with_rows(lambda _: None, end=lambda at: tail(at, _trailer(rest="/Prev 9999999")))


def prev_negative() -> bytes:
    """/Prev -1."""
    return with_rows(lambda _: None, end=lambda at: tail(at, _trailer(rest="/Prev -1")))


def update_without_xref() -> bytes:
    """A newer page content is appended, with an end-of-file marker but no cross-references of its own."""
    newer = lay_out({5: stream(text_content("Page 1, replaced"))}, after=sound())
    return newer.data + b"startxref\n%d\n%%%%EOF\n" % startxref_of(sound())


def shrinking_size() -> bytes:
    """The second revision's /Size is smaller than the first's."""
    return update(sound(), {5: stream(text_content("Page 1, second revision"))}, size=6)
