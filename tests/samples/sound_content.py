"""Sound PDFs that differ in what the pages show, and in size."""

import hashlib
import io
from collections.abc import Callable

from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests.samples.writer import classic, flate, stream, text_content, text_pages

A4 = (595.0, 842.0)
"""Width and height in points."""

TITLE = "Договор / 契約書 / عقد / Überprüfung"
"""The title of `non_latin_title`."""


def noise(seed: str, size: int) -> bytes:
    """`size` bytes that look random and depend on `seed` only."""
    return hashlib.shake_128(seed.encode()).digest(size)


def noise_jpeg(seed: str, width: int, height: int, *, quality: int = 60) -> bytes:
    """A grey JPEG of noise: what a scanner makes of rough paper, in that it hardly compresses."""
    output = io.BytesIO()
    Image.frombytes("L", (width, height), noise(seed, width * height)).save(output, "JPEG", quality=quality)
    return output.getvalue()


def fifty_kb() -> bytes:
    """About 50 kB, as an office program's letter: three pages of text and a small image."""

    def draw(canvas: Canvas) -> None:
        image = ImageReader(io.BytesIO(noise_jpeg("logo", 256, 256)))
        for page in range(1, 4):
            canvas.drawImage(image, 420, 700, 100, 100)
            _paragraphs(canvas, f"letter {page}", lines=42, top=680)
            canvas.showPage()

    return _drawn(draw, title="Letter", compress=False)


def many_pages() -> bytes:
    """550 pages of text in about 2 MB."""

    def draw(canvas: Canvas) -> None:
        for page in range(1, 551):
            _paragraphs(canvas, f"page {page}", lines=38, top=780)
            canvas.showPage()

    return _drawn(draw, title="550 pages", compress=False)


def large_50mb() -> bytes:
    """50 scans in about 50 MB: JPEG of noise, every tenth a raw grey image. It takes some seconds."""
    objects = text_pages(50, text="Scan")
    number = max(objects) + 1
    for i in range(50):
        page = 4 + 2 * i
        width, height = 1100, 1100
        head = f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray "
        if i % 10 == 9:
            objects[number] = flate(noise(f"scan {i}", width * height), head + "/BitsPerComponent 8")
        else:
            jpeg = noise_jpeg(f"scan {i}", width, height, quality=91)
            objects[number] = stream(jpeg, head + "/BitsPerComponent 8 /Filter /DCTDecode")
        objects[page] = objects[page].replace(b"/Font <<", b"/XObject << /Im1 %d 0 R >> /Font <<" % number)
        objects[page + 1] = stream(b"q 500 0 0 500 48 150 cm /Im1 Do Q " + text_content(f"Scan {i + 1}"))
        number += 1
    return classic(objects)


def rotated_90() -> bytes:
    """/Rotate 90 on a landscape page."""
    return classic(text_pages(page="/Rotate 90", media_box="[0 0 842 842]"))


def rotated_180() -> bytes:
    """/Rotate 180."""
    return classic(text_pages(page="/Rotate 180"))


def rotated_270() -> bytes:
    """/Rotate 270, inherited from the page tree."""
    objects = text_pages(2)
    objects[2] = objects[2].replace(b"/Count", b"/Rotate 270 /Count")
    return classic(objects)


def crop_box_negative_origin() -> bytes:
    """Media box and crop box with a negative origin; the crop box is what is shown (14.11.2)."""
    return classic(text_pages(page="/CropBox [-50 20 500 780]", media_box="[-100 -50 595 842]"))


def user_unit() -> bytes:
    """A poster: units of 10/72 inch (/UserUnit, 14.11.2)."""
    return classic(text_pages(page="/UserUnit 10"))


def mixed_page_sizes() -> bytes:
    """A4, A3 landscape, a square of 3 units (the smallest allowed) and a tape of 14,400."""
    objects = text_pages(4)
    for number, box in ((6, "[0 0 1191 842]"), (8, "[0 0 3 3]"), (10, "[0 0 200 14400]")):
        objects[number] = objects[number].replace(b"[0 0 595 842]", box.encode())
    return classic(objects)


def non_latin_title() -> bytes:
    """/Info with a title in UTF-16BE and /Lang in the catalog."""
    objects = text_pages(catalog="/Lang (ru) /ViewerPreferences << /DisplayDocTitle true >>")
    title = ("\ufeff" + TITLE).encode("utf-16-be").hex()
    objects[6] = f"<< /Title <{title}> /CreationDate (D:20240101000000Z) >>".encode()
    return classic(objects, trailer="/Info 6 0 R")


def outlines_links_annotations() -> bytes:
    """Two levels of outlines, links to a page and to a URI, a note and a highlight with its appearance."""
    objects = text_pages(2, catalog="/Outlines 8 0 R /PageMode /UseOutlines /Dests << /end [6 0 R /Fit] >>")
    objects[4] = objects[4].replace(b"/Contents", b"/Annots [11 0 R 12 0 R 13 0 R 14 0 R] /Contents")
    objects |= {
        8: b"<< /Type /Outlines /First 9 0 R /Last 9 0 R /Count 2 >>",
        9: b"<< /Title (Part) /Parent 8 0 R /First 10 0 R /Last 10 0 R /Count 1 /Dest [4 0 R /Fit] >>",
        10: b"<< /Title (Chapter) /Parent 9 0 R /A << /S /GoTo /D [6 0 R /XYZ 72 700 0] >> >>",
        11: b"<< /Type /Annot /Subtype /Link /Rect [72 690 200 730] /Border [0 0 0] /Dest /end /F 4 >>",
        12: b"<< /Type /Annot /Subtype /Link /Rect [72 600 200 630] /Border [0 0 0] /F 4 "
        b"/A << /S /URI /URI (https://www.example.test/) >> >>",
        13: b"<< /Type /Annot /Subtype /Text /Rect [500 700 520 720] /Contents (A note) /F 28 /Name /Note "
        b"/AP << /N 15 0 R >> >>",
        14: b"<< /Type /Annot /Subtype /Highlight /Rect [72 695 160 725] /C [1 1 0] /F 4 "
        b"/QuadPoints [72 725 160 725 72 695 160 695] /AP << /N 15 0 R >> >>",
        15: stream(b"1 1 0 rg 0 0 20 20 re f", "/Type /XObject /Subtype /Form /BBox [0 0 20 20]"),
    }
    return classic(objects)


def optional_content() -> bytes:
    """Two layers, one of them switched off (8.11): its text is in the file and not on the page."""
    config = "/OCProperties << /OCGs [6 0 R 7 0 R] /D << /Order [6 0 R 7 0 R] /ON [6 0 R] /OFF [7 0 R] >> >>"
    objects = text_pages(catalog=config)
    resources = b"/Properties << /MC0 6 0 R /MC1 7 0 R >> /Font <<"
    objects[4] = objects[4].replace(b"/Font <<", resources)
    hidden = text_content("Hidden layer").replace(b"700 Td", b"600 Td")
    objects[5] = stream(b"/OC /MC0 BDC " + text_content("Shown layer") + b" EMC /OC /MC1 BDC " + hidden + b" EMC")
    objects[6] = b"<< /Type /OCG /Name (Shown) >>"
    objects[7] = b"<< /Type /OCG /Name (Hidden) >>"
    return classic(objects)


def tagged() -> bytes:
    """Tagged PDF: a structure tree with a heading and a paragraph (14.8)."""
    objects = text_pages(
        catalog="/MarkInfo << /Marked true >> /Lang (en-GB) /StructTreeRoot 6 0 R",
        page="/StructParents 0 /Tabs /S",
    )
    paragraph = text_content("A paragraph", 12).replace(b"700 Td", b"650 Td")
    objects[5] = stream(
        b"/H1 << /MCID 0 >> BDC " + text_content("A heading") + b" EMC /P << /MCID 1 >> BDC " + paragraph + b" EMC"
    )
    objects |= {
        6: b"<< /Type /StructTreeRoot /K 7 0 R /ParentTree 10 0 R /ParentTreeNextKey 1 >>",
        7: b"<< /Type /StructElem /S /Document /P 6 0 R /K [8 0 R 9 0 R] >>",
        8: b"<< /Type /StructElem /S /H1 /P 7 0 R /Pg 4 0 R /K 0 >>",
        9: b"<< /Type /StructElem /S /P /P 7 0 R /Pg 4 0 R /K 1 >>",
        10: b"<< /Nums [0 [8 0 R 9 0 R]] >>",
    }
    return classic(objects)


def _paragraphs(canvas: Canvas, seed: str, *, lines: int, top: float) -> None:
    text = canvas.beginText(72, top)
    text.setFont("Helvetica", 11)
    for line in range(lines):
        words = noise(f"{seed}/{line}", 40).hex()
        text.textLine(f"{line + 1}. " + " ".join(words[i : i + 7] for i in range(0, 70, 7)))
    canvas.drawText(text)


def _drawn(draw: Callable[[Canvas], None], *, title: str, compress: bool) -> bytes:
    output = io.BytesIO()
    canvas = Canvas(output, pagesize=A4, invariant=1, pageCompression=int(compress), pdfVersion=(1, 4))
    canvas.setTitle(title)
    draw(canvas)
    canvas.save()
    return output.getvalue()


CONTENT: dict[str, Callable[[], bytes]] = {
    make.__name__: make
    for make in (
        fifty_kb,
        many_pages,
        rotated_90,
        rotated_180,
        rotated_270,
        crop_box_negative_origin,
        user_unit,
        mixed_page_sizes,
        non_latin_title,
        outlines_links_annotations,
        optional_content,
        tagged,
    )
}
