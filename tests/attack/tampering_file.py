"""Tampering with the file around the signature: content, validation data, ends, further revisions, byte ranges."""

import io
from collections.abc import Callable

import pikepdf
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import NameObject as Name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from signing.pades.extend import extend
from tests.attack.editing import (
    SIGNATURE,
    byte_range,
    first_page,
    flipped,
    named,
    numbers,
    ranged,
    saved_anew,
    store_stream,
    text,
    updated,
    with_byte_range,
    with_contents,
)
from tests.attack.material import Material
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import utc_now


def _changed_text(data: bytes) -> bytes:
    return data.replace(b"(Page 1) Tj", b"(Page 7) Tj", 1)


def content(m: Material) -> bytes:
    return _changed_text(m.lta)


def content_t(m: Material) -> bytes:
    return _changed_text(m.t)


def store(key: str, index: int) -> Callable[[Material], bytes]:
    """Change the last octet, inside a signature value."""

    def change(m: Material) -> bytes:
        stream = store_stream(m.lta, key, index)
        return flipped(m.lta, m.lta.index(stream) + len(stream) - 1)

    return change


# behind the end, and cuts


def appended(octets: bytes) -> Callable[[Material], bytes]:
    return lambda m: m.lta + octets


def object_appended(m: Material) -> bytes:
    """An object without cross-references behind the end: some readers rebuild their table and find it (P-2)."""
    body = text("Pay 9000").data
    return m.lta + b"5 0 obj\n<< /Length %d >>\nstream\n%b\nendstream\nendobj\n" % (len(body), body)


def object_and_end_appended(m: Material) -> bytes:
    """The same with a trailer of its own, which points to the old cross-references."""
    start = m.lta[m.lta.rindex(b"startxref") :]
    return object_appended(m) + b"trailer\n<< /Root 1 0 R /Size 99 >>\n" + start


def cut(percent: int) -> Callable[[Material], bytes]:
    return lambda m: m.lta[: len(m.lta) * percent // 100]


def end_cut(m: Material) -> bytes:
    return m.lta[: m.lta.rindex(b"%%EOF")]


# revisions behind the signature


def page_added(writer: IncrementalPdfFileWriter) -> None:
    pages = writer.root["/Pages"]
    page = named(
        Type=Name("/Page"),
        Parent=writer.root.raw_get("/Pages"),
        MediaBox=numbers(0, 0, 595, 842),
        Resources=named(),
        Contents=writer.add_object(text("Annex")),
    )
    pages["/Kids"].append(writer.add_object(page))
    pages[Name("/Count")] = generic.NumberObject(pages["/Count"] + 1)
    writer.update_container(pages)


def page_removed(writer: IncrementalPdfFileWriter) -> None:
    pages = writer.root["/Pages"]
    kept = [pages["/Kids"].raw_get(number) for number in range(len(pages["/Kids"]) - 1)]
    pages[Name("/Kids")] = generic.ArrayObject(kept)
    pages[Name("/Count")] = generic.NumberObject(len(kept))
    writer.update_container(pages)


def note_added(writer: IncrementalPdfFileWriter) -> None:
    page = first_page(writer)
    note = named(
        Type=Name("/Annot"),
        Subtype=Name("/FreeText"),
        Rect=numbers(72, 690, 300, 740),
        Contents=generic.pdf_string("Pay 9000"),
        DA=generic.pdf_string("/Helv 20 Tf 0 g"),
    )
    page["/Annots"].append(writer.add_object(note))
    writer.update_container(page["/Annots"])


def page_redrawn(writer: IncrementalPdfFileWriter) -> None:
    first_page(writer)[Name("/Contents")] = writer.add_object(text("Pay 9000"))


def content_overwritten(writer: IncrementalPdfFileWriter) -> None:
    """The page stays, the object that it shows is defined anew."""
    reference = writer.root["/Pages"]["/Kids"][0].raw_get("/Contents")
    writer.objects[reference.generation, reference.idnum] = text("Pay 9000")


def font_swapped(writer: IncrementalPdfFileWriter) -> None:
    """Other glyphs for the same codes (P-5)."""
    font = writer.root["/Pages"]["/Kids"][0]["/Resources"]["/Font"]["/F1"]
    font[Name("/BaseFont")] = Name("/Symbol")
    writer.update_container(font)


def overlay_hidden(m: Material) -> bytes:
    """Cross-references alone: the page's content becomes a free object (P-4)."""
    start = len(m.lta) + 1
    root, size = 1, max(int(n) for n in _sizes(m.lta))
    previous = int(m.lta[m.lta.rindex(b"startxref") :].split()[1])
    table = b"\nxref\n0 1\n0000000005 65535 f \n5 1\n0000000000 00001 f \n"
    trailer = b"trailer\n<< /Size %d /Root %d 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (size, root, previous, start)
    return m.lta + table + trailer


def _sizes(data: bytes) -> list[bytes]:
    return [piece.split()[0] for piece in data.split(b"/Size ")[1:]]


def script_added(writer: IncrementalPdfFileWriter) -> None:
    action = named(S=Name("/JavaScript"), JS=generic.pdf_string("app.alert(1)"))
    writer.root[Name("/OpenAction")] = writer.add_object(action)
    writer.update_root()


def store_dropped(writer: IncrementalPdfFileWriter) -> None:
    del writer.root["/DSS"]
    writer.update_root()


def field_removed(writer: IncrementalPdfFileWriter) -> None:
    """The archive timestamp leaves the form."""
    form = writer.root["/AcroForm"]
    form[Name("/Fields")] = generic.ArrayObject([form["/Fields"].raw_get(0)])
    writer.update_container(form)


def signature_in_two_fields(writer: IncrementalPdfFileWriter) -> None:
    """P-10: the signature's dictionary is the value of a second field."""
    form = writer.root["/AcroForm"]
    field = named(
        FT=Name("/Sig"),
        T=generic.pdf_string("Approved too"),
        V=form["/Fields"][0].raw_get("/V"),
        Type=Name("/Annot"),
        Subtype=Name("/Widget"),
        Rect=numbers(0, 0, 0, 0),
        F=generic.NumberObject(132),
        P=writer.root["/Pages"]["/Kids"].raw_get(0),
    )
    form["/Fields"].append(writer.add_object(field))
    writer.update_container(form["/Fields"])


def signature_defined_anew(writer: IncrementalPdfFileWriter) -> None:
    """The signature's dictionary itself, with another name of a signer."""
    value = writer.root["/AcroForm"]["/Fields"][0]["/V"]
    value[Name("/Name")] = generic.pdf_string("Somebody Else")
    writer.update_container(value)


def signature_copied(writer: IncrementalPdfFileWriter) -> None:
    """Universal forgery: a second field with a copy of the signature's dictionary, its byte range of old."""
    old = writer.root["/AcroForm"]["/Fields"][0]["/V"]
    copy = generic.DictionaryObject({Name(key): old.raw_get(key) for key in old})
    field = named(FT=Name("/Sig"), T=generic.pdf_string("Copy"), V=writer.add_object(copy))
    form = writer.root["/AcroForm"]
    form["/Fields"].append(writer.add_object(field))
    writer.update_container(form["/Fields"])


def behind(change: Callable[[IncrementalPdfFileWriter], None]) -> Callable[[Material], bytes]:
    return lambda m: updated(m.lta, change)


def sealed_after(change: Callable[[IncrementalPdfFileWriter], None]) -> Callable[[Material], bytes]:
    """Change the document between its signature and a genuine archive timestamp, which then covers the change too."""

    def tamper(m: Material) -> bytes:
        output = io.BytesIO()
        document = io.BytesIO(updated(m.t, change))
        m.line.run(
            lambda client: extend(
                document,
                output,
                DigestAlgorithm.SHA256,
                engine=m.line.engine(client),
                timestamps=m.line.timestamps(client),
                clock=utc_now,
            )
        )
        return output.getvalue()

    return tamper


def whole_saved_anew(m: Material) -> bytes:
    return saved_anew(m.lta, lambda _: None)


def page_added_and_saved(m: Material) -> bytes:
    def change(pdf: pikepdf.Pdf) -> None:
        pdf.add_blank_page()

    return saved_anew(m.lta, change)


# byte ranges


def range_moved(*change: int, which: int = SIGNATURE) -> Callable[[Material], bytes]:
    return lambda m: ranged(m.t if which == SIGNATURE else m.lta, which, *change)


def range_text(value: bytes) -> Callable[[Material], bytes]:
    return lambda m: with_byte_range(m.t, SIGNATURE, value)


def gap_over_more(m: Material) -> bytes:
    """The gap begins before /Contents: what stands between could be anything (P-3)."""
    _, start, end, rest = byte_range(m.t, SIGNATURE)
    return with_byte_range(m.t, SIGNATURE, b"/ByteRange [0 %d %d %d]" % (start - len(b"/Contents "), end, rest))


def gap_filled(m: Material) -> bytes:
    """Objects hidden in the padding of /Contents."""
    _, start, end, _ = byte_range(m.t, SIGNATURE)
    hidden = b"> /Reason (forged) /X <"
    at = end - 500
    assert start < at
    return m.t[:at] + hidden + m.t[at + len(hidden) :]


def renamed(old: bytes, new: bytes) -> Callable[[Material], bytes]:
    assert len(old) == len(new)
    return lambda m: new.join(m.t.rsplit(old, 1))


def contents_zeroed(m: Material) -> bytes:
    return with_contents(m.t, SIGNATURE, b"")
