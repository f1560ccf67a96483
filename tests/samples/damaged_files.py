"""Files that are no PDF, are cut, carry junk, or are protected; and damage to files that carry a signature."""

import io
import zipfile

from PIL import Image

from tests.samples.protection import FILL_IN_AND_SIGN, READ_AND_PRINT, protected
from tests.samples.signed import certified, signed_object_streams, signed_once, with_document_timestamp
from tests.samples.sound_content import fifty_kb
from tests.samples.sound_structure import one_page, xref_stream
from tests.samples.writer import (
    HEADER_COMMENT,
    classic,
    file_id,
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


def empty() -> bytes:
    """No byte."""
    return b""


def one_byte() -> bytes:
    """A percent sign."""
    return b"%"


def header_only() -> bytes:
    """The header line and nothing behind it."""
    return b"%PDF-1.7\n" + HEADER_COMMENT


def png() -> bytes:
    """A PNG image."""
    output = io.BytesIO()
    Image.new("L", (16, 16)).save(output, "PNG")
    return output.getvalue()


def html() -> bytes:
    """An HTML page that speaks of PDF."""
    return b"<!DOCTYPE html>\n<html><head><title>Not found</title></head><body>No PDF here</body></html>\n"


def zip_archive() -> bytes:
    """A ZIP archive that holds a PDF, deflated."""
    return _zip(zipfile.ZIP_DEFLATED)


def zip_polyglot() -> bytes:
    """A ZIP archive that holds a PDF as it is: the PDF header is within the first 1,024 bytes."""
    return _zip(zipfile.ZIP_STORED)


def pdf_zip_polyglot() -> bytes:
    """A PDF with a ZIP archive behind its end: both kinds of reader are content."""
    return one_page() + _zip(zipfile.ZIP_DEFLATED, b"<html/>", "index.html")


def html_polyglot() -> bytes:
    """An HTML page in front of a PDF, within the first 1,024 bytes."""
    return b"<!DOCTYPE html><html><body><!--\n" + one_page() + b"--></body></html>\n"


def header_absent() -> bytes:
    """No header: the file starts with its first object; offsets are right."""
    return classic(text_pages(2)).replace(b"%PDF-1.7", b"%       ", 1)


def header_version_odd() -> bytes:
    """%PDF-1.x."""
    return classic(text_pages(2)).replace(b"%PDF-1.7", b"%PDF-1.x", 1)


def header_line_without_end() -> bytes:
    """No line end behind the version."""
    return classic(text_pages(2)).replace(b"%PDF-1.7\n%", b"%PDF-1.7%%", 1)


def junk_before_header() -> bytes:
    """200 bytes of mail header in front; offsets count from the PDF header."""
    return b"Content-Type: application/pdf\r\n\r\n".ljust(200, b"x") + classic(text_pages(2))


def junk_before_header_counted() -> bytes:
    """200 bytes in front; offsets count from the start of the file."""
    return _after(b"x" * 199 + b"\n")


def junk_before_header_long() -> bytes:
    """1,100 bytes in front, more than readers look at for a header; offsets count from the PDF header."""
    return b"x" * 1_099 + b"\n" + classic(text_pages(2))


def junk_after_eof() -> bytes:
    """A few bytes behind the end-of-file marker."""
    return classic(text_pages(2)) + b"\r\n\0\0\x1a"


def junk_after_eof_long() -> bytes:
    """10,000 zeros behind the end-of-file marker."""
    return classic(text_pages(2)) + bytes(10_000)


def older_end_appended() -> bytes:
    """A second startxref and end-of-file marker behind the first, with the same offset."""
    data = classic(text_pages(2))
    return data + b"startxref\n%d\n%%%%EOF\n" % startxref_of(data)


def end_of_line_lost() -> bytes:
    """The last line end is missing: the file ends with %%EOF."""
    return classic(text_pages(2)).removesuffix(b"\n")


def line_ends_converted() -> bytes:
    """Line feeds became CR LF on the way (a transfer in text mode): no offset is right."""
    return classic(text_pages(2)).replace(b"\n", b"\r\n")


def high_bit_lost() -> bytes:
    """Only seven bits of each byte came through."""
    return bytes(byte & 0x7F for byte in xref_stream())


def truncated_50() -> bytes:
    """The first half."""
    return _cut(fifty_kb(), 50)


def truncated_95() -> bytes:
    """The first 95 %."""
    return _cut(fifty_kb(), 95)


def truncated_99() -> bytes:
    """The first 99 %."""
    return _cut(fifty_kb(), 99)


def truncated_last_stream() -> bytes:
    """The end is inside the last page's content."""
    data = classic(text_pages(2))
    return data[: data.index(b"(Page 2)")]


def truncated_update() -> bytes:
    """Two revisions, of which the second is cut behind its object: what is left reads as the first."""
    data = update(classic(text_pages(2)), {5: stream(text_content("Page 1, second revision"))}, size=8)
    return data[: data.rindex(b"xref\n5 1")]


def truncated_xref_stream() -> bytes:
    """The xref stream of a file with object streams lacks its end."""
    data = xref_stream()
    return data[: data.rindex(b"endstream") - 20]


def user_password() -> bytes:
    """AES-256 with a user password that nobody told us."""
    return protected("aes_256", user=b"secret", rights=FILL_IN_AND_SIGN)


def user_password_rc4() -> bytes:
    """RC4 with a user password that nobody told us."""
    return protected("rc4_128", user=b"secret", rights=FILL_IN_AND_SIGN)


def rights_allow() -> bytes:
    """AES-128, empty user password, filling in and signing allowed: nothing is wrong with it."""
    return protected("aes_128", rights=FILL_IN_AND_SIGN)


def rights_forbid() -> bytes:
    """AES-256, empty user password, only reading and printing allowed."""
    return protected("aes_256", rights=READ_AND_PRINT)


def rights_forbid_rc4() -> bytes:
    """RC4, empty user password, only reading and printing allowed."""
    return protected("rc4_128", rights=READ_AND_PRINT)


def rights_forbid_damaged() -> bytes:
    """As `rights_forbid`, with a wrong startxref: mending it must not lift the protection."""
    return _startxref_lost(rights_forbid())


def rights_allow_damaged() -> bytes:
    """As `rights_allow`, with a wrong startxref."""
    return _startxref_lost(rights_allow())


def user_password_damaged() -> bytes:
    """As `user_password`, with a wrong startxref."""
    return _startxref_lost(user_password())


def encrypt_dictionary_missing() -> bytes:
    """/Encrypt refers to an object that is not in the file."""
    return classic(text_pages(2), trailer="/Encrypt 99 0 R")


def encrypt_filter_unknown() -> bytes:
    """/Encrypt names a security handler that nobody knows."""
    return classic({**text_pages(2), 8: b"<< /Filter /Sample /V 1 >>"}, trailer="/Encrypt 8 0 R")


def signed_startxref_lost() -> bytes:
    """A signed file whose last startxref is wrong."""
    return _startxref_lost(signed_once())


def signed_truncated() -> bytes:
    """A signed file without its last 200 bytes: the cross-references of the signature's revision are cut."""
    return signed_once()[:-200]


def signed_eof_missing() -> bytes:
    """A signed file without its last end-of-file marker."""
    return signed_once().removesuffix(b"\n").removesuffix(b"%%EOF")


def signed_junk_before() -> bytes:
    """A signed file with 200 bytes in front."""
    return b"x" * 199 + b"\n" + signed_once()


def signed_offset_wrong() -> bytes:
    """A signed file in which the first revision's table has a wrong offset."""
    data = signed_once()
    offset = data.index(b"5 0 obj")
    return replaced(data, b"%010d 00000 n" % offset, b"%010d 00000 n" % (offset + 1))


def signed_size_wrong() -> bytes:
    """A signed file whose first revision has too small a /Size."""
    return replaced(signed_once(), b"/Size 6 ", b"/Size 3 ")


def signed_content_truncated() -> bytes:
    """A signed file that ends inside the signature's /Contents."""
    data = signed_once()
    return data[: data.index(b"/Contents <") + 200]


def signed_object_streams_truncated() -> bytes:
    """A signed file with xref streams, cut inside the last one."""
    return signed_object_streams()[:-100]


def certified_startxref_lost() -> bytes:
    """A certified file whose last startxref is wrong."""
    return _startxref_lost(certified(2))


def timestamped_startxref_lost() -> bytes:
    """A file with a document timestamp whose last startxref is wrong."""
    return _startxref_lost(with_document_timestamp())


def signed_junk_after_eof() -> bytes:
    """A signed file with a few bytes behind its end: nothing that a reader stumbles over."""
    return signed_once() + b"\r\n\0\0\x1a"


def _startxref_lost(data: bytes) -> bytes:
    at = data.rindex(b"startxref")
    return data[:at] + b"startxref\n99999999\n%%EOF\n"


def _cut(data: bytes, percent: int) -> bytes:
    return data[: len(data) * percent // 100]


def _zip(method: int, content: bytes | None = None, name: str = "document.pdf") -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", method) as archive:
        info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
        info.compress_type = method
        archive.writestr(info, one_page() if content is None else content)
    return output.getvalue()


def _after(junk: bytes) -> bytes:
    """A document of two pages behind `junk`, whose offsets count from the start of the file."""
    body = lay_out(text_pages(2), after=junk + b"%PDF-1.7\n" + HEADER_COMMENT)
    trailer = f"/Size {max(body.offsets) + 1} /Root 1 0 R {file_id(junk)}"
    return body.data + table(subsections(body.offsets)) + tail(len(body.data), trailer)
