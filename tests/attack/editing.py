"""Cutting open signed PDFs: where their parts are, and changing one part without touching another."""

import io
import re
from collections.abc import Callable

import pikepdf
from asn1crypto import cms as asn1
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import NameObject as Name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

SIGNATURE, ARCHIVE = 0, 1
"""Which of the two filled fields of an LTA document."""

_CONTENTS = re.compile(rb"/Contents <([0-9a-f]+)>")
_BYTE_RANGE = re.compile(rb"/ByteRange \[[0-9 ]*\] *")


def flipped(data: bytes, at: int) -> bytes:
    """Return the octets with the lowest bit of one of them changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def altered(data: bytes, part: bytes) -> bytes:
    """Return the octets with one bit changed in the middle of a part that occurs in them."""
    assert part in data
    return flipped(data, data.index(part) + len(part) // 2)


def contents(data: bytes, which: int) -> bytes:
    """Return what stands in the /Contents of a field, without its padding."""
    return bytes(asn1.ContentInfo.load(bytes.fromhex(_match(_CONTENTS, data, which)[1].decode())).dump())


def with_contents(data: bytes, which: int, replacement: bytes) -> bytes:
    """Put something else into the /Contents of a field."""
    place = _match(_CONTENTS, data, which)
    room = len(place[1])
    assert len(replacement) * 2 <= room
    return data[: place.start(1)] + replacement.hex().encode().ljust(room, b"0") + data[place.end(1) :]


def edit_contents(data: bytes, which: int, change: Callable[[bytes], bytes]) -> bytes:
    """Change what stands in the /Contents of a field."""
    return with_contents(data, which, change(contents(data, which)))


def edit_cms(data: bytes, which: int, change: Callable[[asn1.SignedData], None]) -> bytes:
    """Change the SignedData in the /Contents of a field."""

    def edit(der: bytes) -> bytes:
        info = asn1.ContentInfo.load(der)
        change(info["content"])
        return bytes(info.dump())

    return edit_contents(data, which, edit)


def byte_range(data: bytes, which: int) -> list[int]:
    """Return the numbers of a field's /ByteRange."""
    return [int(number) for number in re.findall(rb"\d+", _match(_BYTE_RANGE, data, which)[0])]


def with_byte_range(data: bytes, which: int, text: bytes) -> bytes:
    """Write something else in the place of a field's /ByteRange, key included, without moving anything."""
    place = _match(_BYTE_RANGE, data, which)
    assert len(text) <= len(place[0])
    return data[: place.start()] + text.ljust(len(place[0])) + data[place.end() :]


def ranged(data: bytes, which: int, *change: int) -> bytes:
    """Add to each of the four numbers of a field's /ByteRange."""
    numbers = [number + more for number, more in zip(byte_range(data, which), change, strict=True)]
    return with_byte_range(data, which, b"/ByteRange [%d %d %d %d]" % tuple(numbers))


def store_stream(data: bytes, key: str, index: int) -> bytes:
    """Return a stream of the document security store, as another reader finds it."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        return bytes(pdf.Root.DSS[key][index].read_raw_bytes())


def store_counts(data: bytes) -> dict[str, int]:
    """Return how many streams the document security store has, by key."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        return {key: len(pdf.Root.DSS[key]) for key in ("/Certs", "/OCSPs", "/CRLs")}


def updated(data: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """Append a revision, as an editor does that keeps to the rules of incremental updates."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    change(writer)
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def saved_anew(data: bytes, change: Callable[[pikepdf.Pdf], None]) -> bytes:
    """Write the document from scratch, as an editor does that knows nothing of signatures."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        change(pdf)
        pdf.save(output)
    return output.getvalue()


def first_page(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    """Return the first page, marked as changed."""
    page = writer.root["/Pages"]["/Kids"][0]
    assert isinstance(page, generic.DictionaryObject)
    writer.update_container(page)
    return page


def text(words: str) -> generic.StreamObject:
    """Return page content that shows words in large letters."""
    return generic.StreamObject(stream_data=f"BT /F1 40 Tf 72 400 Td ({words}) Tj ET".encode())


def named(**entries: generic.PdfObject) -> generic.DictionaryObject:
    """Return a dictionary."""
    return generic.DictionaryObject({Name(f"/{key}"): value for key, value in entries.items()})


def numbers(*values: int) -> generic.ArrayObject:
    """Return an array of numbers."""
    return generic.ArrayObject([generic.NumberObject(value) for value in values])


def _match(pattern: re.Pattern[bytes], data: bytes, which: int) -> re.Match[bytes]:
    return list(pattern.finditer(data))[which]
