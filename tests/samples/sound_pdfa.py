"""Sound PDF/A files (ISO 19005): embedded font, sRGB output intent, XMP metadata, file identifier."""

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import reportlab
from reportlab.pdfbase.ttfonts import TTFontFile

from tests.samples.writer import classic, flate, stream, text_pages

TITLE = "Decision"
CREATED = "2024-01-01T00:00:00Z"
_FIRST_CHAR, _LAST_CHAR = 32, 126


@cache
def srgb_profile() -> bytes:
    """A display profile of ICC version 2.1 with the sRGB primaries and gamma 2.2.

    Version 2 because PDF/A-1 admits no later one. White and primaries are those of sRGB adapted to D50.
    """

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + fixed(*values)

    name = b"sRGB\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(4 + 4 + 2 + 1 + 67)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))
    tags = {
        b"desc": description,
        b"cprt": b"text\0\0\0\0Public domain\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    index, content = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for signature, value in tags.items():
        index += signature + struct.pack(">II", start + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    size = start + len(content)
    header = struct.pack(">I4sI", size, bytes(4), 0x02100000) + b"mntrRGB XYZ "
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(4 + 4 + 4 + 4 + 8 + 4)
    header += fixed(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + content


def xmp(part: int, conformance: str = "B") -> bytes:
    """XMP metadata that says the same as /Info (ISO 19005-1, 6.7) and names the PDF/A part."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">'
        f"<pdfaid:part>{part}</pdfaid:part><pdfaid:conformance>{conformance}</pdfaid:conformance>"
        "</rdf:Description>\n"
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{TITLE}</rdf:li></rdf:Alt></dc:title>'
        "</rdf:Description>\n"
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
        f"<xmp:CreateDate>{CREATED}</xmp:CreateDate><xmp:ModifyDate>{CREATED}</xmp:ModifyDate>"
        "</rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="w"?>'
    ).encode()


def pdfa_objects(part: int, *, catalog: str = "") -> dict[int, bytes]:
    """Objects of a PDF/A document of one page; /Info is object 6, further objects may start at 20."""
    intent = "<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (sRGB) /DestOutputProfile 8 0 R >>"
    objects = text_pages(text="Page", catalog=f"/Metadata 7 0 R /OutputIntents [{intent}] {catalog}")
    path = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
    font = TTFontFile(str(path), charInfo=1)
    widths = " ".join(str(round(font.charWidths[code])) for code in range(_FIRST_CHAR, _LAST_CHAR + 1))
    objects |= {
        3: (
            f"<< /Type /Font /Subtype /TrueType /BaseFont /BitstreamVeraSans-Roman /FirstChar {_FIRST_CHAR} "
            f"/LastChar {_LAST_CHAR} /Widths [{widths}] /Encoding /WinAnsiEncoding /FontDescriptor 9 0 R >>"
        ).encode(),
        6: (f"<< /Title ({TITLE}) /CreationDate (D:20240101000000Z) /ModDate (D:20240101000000Z) >>").encode(),
        7: stream(xmp(part), "/Type /Metadata /Subtype /XML"),
        8: flate(srgb_profile(), "/N 3"),
        9: (
            "<< /Type /FontDescriptor /FontName /BitstreamVeraSans-Roman /Flags 32 "
            f"/FontBBox [{' '.join(str(round(edge)) for edge in font.bbox)}] /ItalicAngle 0 "
            f"/Ascent {round(font.ascent)} /Descent {round(font.descent)} "
            f"/CapHeight {round(font.capHeight)} /StemV {round(font.stemV)} /FontFile2 10 0 R >>"
        ).encode(),
        10: flate(path.read_bytes(), f"/Length1 {path.stat().st_size}"),
    }
    return objects


def pdfa_1b() -> bytes:
    """PDF/A-1b: version 1.4, no transparency, no object streams."""
    return classic(pdfa_objects(1), version="1.4", trailer="/Info 6 0 R")


def pdfa_2b() -> bytes:
    """PDF/A-2b: version 1.7."""
    return classic(pdfa_objects(2), version="1.7", trailer="/Info 6 0 R")


def pdfa_3b() -> bytes:
    """PDF/A-3b with an associated XML file (ISO 19005-3, 6.8)."""
    names = "/Names << /EmbeddedFiles << /Names [(data.xml) 20 0 R] >> >> /AF [20 0 R]"
    objects = pdfa_objects(3, catalog=names)
    data = b'<?xml version="1.0" encoding="UTF-8"?><invoice number="1"/>'
    params = f"/Params << /Size {len(data)} /ModDate (D:20240101000000Z) >>"
    objects |= {
        20: b"<< /Type /Filespec /F (data.xml) /UF (data.xml) /AFRelationship /Data /Desc (Source data) "
        b"/EF << /F 21 0 R /UF 21 0 R >> >>",
        21: flate(data, f"/Type /EmbeddedFile /Subtype /text#2Fxml {params}"),
    }
    return classic(objects, version="1.7", trailer="/Info 6 0 R")


PDFA: dict[str, Callable[[], bytes]] = {make.__name__: make for make in (pdfa_1b, pdfa_2b, pdfa_3b)}
