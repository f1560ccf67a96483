"""PDFs by other producers: what Debian and Python packages bring along, and what tools on the machine make."""

import atexit
import ctypes
import ctypes.util
import gzip
import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

import pikepdf
import pypdfium2
from PIL import Image, ImageDraw
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer
from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

from tests.samples.sound_content import noise_jpeg, outlines_links_annotations
from tests.samples.sound_forms import form

MAX_SIZE = 5_000_000
"""Bytes; larger files are left aside, packed ones by their unpacked size."""

ROOTS = (Path(sys.prefix), Path("/usr/share"))


@cache
def found_pdfs() -> list[Path]:
    """PDFs that packages installed, links left aside, one of each content, sorted by name.

    Those that Debian packs (.pdf.gz) are unpacked into a temporary folder that goes with the process.
    """
    seen: dict[bytes, Path] = {}
    for path in sorted(_candidates(), key=lambda path: (path.name, str(path))):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if len(data) <= MAX_SIZE and b"%PDF-" in data[:1024] and data not in seen:
            seen[data] = _unpacked(path.stem, data) if path.suffix == ".gz" else path
    return sorted(seen.values(), key=lambda path: path.name)


def produced_pdfs() -> Mapping[str, Callable[[], bytes]]:
    """Name to generator of PDFs by the producers at hand; not the same bytes at each run.

    cairo is left out where its library is not installed.
    """
    producers: dict[str, Callable[[], bytes]] = {
        "pillow_scan": _pillow_scan,
        "reportlab_platypus": _reportlab_platypus,
        "reportlab_graphics": _reportlab_graphics,
        "reportlab_fonts": _reportlab_fonts,
        "pdfium_merged": _pdfium_merged,
        "pdfium_flattened": _pdfium_flattened,
        "pyhanko_rewritten": _pyhanko_rewritten,
    }
    if ctypes.util.find_library("cairo"):
        producers["cairo"] = _cairo
    for path in found_pdfs():
        for name, rewrite in _QPDF_MODES.items():
            producers[f"qpdf_{name}_{path.stem}"] = partial(rewrite, path)
    return producers


def _candidates() -> Iterator[Path]:
    for root in ROOTS:
        for pattern in ("*.pdf", "*.PDF", "*.pdf.gz"):
            for path in root.rglob(pattern):
                if path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_SIZE:
                    yield path


@cache
def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="found-pdfs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _unpacked(name: str, data: bytes) -> Path:
    path = _temporary() / name
    path.write_bytes(data)
    return path


def _with_object_streams(path: Path) -> bytes:
    output = io.BytesIO()
    with pikepdf.open(path) as pdf:
        pdf.save(output, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return output.getvalue()


def _linearised(path: Path) -> bytes:
    output = io.BytesIO()
    with pikepdf.open(path) as pdf:
        pdf.save(output, linearize=True)
    return output.getvalue()


def _uncompressed(path: Path) -> bytes:
    output = io.BytesIO()
    with pikepdf.open(path) as pdf:
        pdf.save(
            output,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
            compress_streams=False,
            qdf=True,
        )
    return output.getvalue()


_QPDF_MODES: Mapping[str, Callable[[Path], bytes]] = {
    "streams": _with_object_streams,
    "linear": _linearised,
    "plain": _uncompressed,
}


def _pillow_scan() -> bytes:
    """Two scanned pages, one in colour. Pillow gives the head of the free list generation 65536."""
    output = io.BytesIO()
    first = Image.open(io.BytesIO(noise_jpeg("scan", 420, 594)))
    second = Image.new("RGB", (420, 594), "white")
    ImageDraw.Draw(second).text((40, 40), "Second page", fill="navy")
    first.save(output, "PDF", save_all=True, append_images=[second], resolution=72)
    return output.getvalue()


def _reportlab_platypus() -> bytes:
    """Flowing text and a table over several pages, compressed."""
    output = io.BytesIO()
    style = getSampleStyleSheet()["BodyText"]
    rows = [[str(row), f"Item {row}", f"{row * 7 / 3:.2f}"] for row in range(1, 120)]
    story = [Paragraph("An <b>invoice</b> with <i>many</i> lines", style), Table(rows)]
    SimpleDocTemplate(output, title="Invoice").build(story)
    return output.getvalue()


def _reportlab_graphics() -> bytes:
    """A chart and a QR code."""
    output = io.BytesIO()
    drawing = Drawing(400, 300)
    chart = VerticalBarChart()
    chart.data = [(13, 5, 20, 22), (14, 6, 21, 23)]
    drawing.add(chart)
    drawing.add(QrCodeWidget("https://www.example.test/"))
    renderPDF.drawToFile(drawing, output)
    return output.getvalue()


def _reportlab_fonts() -> bytes:
    """An embedded TrueType subset, a Type 1 font, a font for Japanese that is not embedded."""
    output = io.BytesIO()
    registerFont(TTFont("Vera", "Vera.ttf"))
    registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    canvas = Canvas(output)
    for y, name, text in ((700, "Vera", "Été à Liège"), (650, "Times-Roman", "Page"), (600, "HeiseiMin-W3", "契約")):
        canvas.setFont(name, 20)
        canvas.drawString(72, y, text)
    canvas.save()
    return output.getvalue()


def _pdfium_merged() -> bytes:
    """Pages of two documents, put together by pdfium."""
    with pypdfium2.PdfDocument.new() as merged:
        for data in (outlines_links_annotations(), _reportlab_graphics()):
            with pypdfium2.PdfDocument(data) as part:
                merged.import_pages(part)
        return _saved(merged)


def _pdfium_flattened() -> bytes:
    """A form whose fields pdfium drew into the page."""
    with pypdfium2.PdfDocument(form()) as document:
        document.init_forms()
        document[0].flatten()
        return _saved(document)


def _saved(document: pypdfium2.PdfDocument) -> bytes:
    output = io.BytesIO()
    document.save(output)
    return output.getvalue()


def _pyhanko_rewritten() -> bytes:
    """A form, as pyHanko writes it anew."""
    output = io.BytesIO()
    copy_into_new_writer(PdfFileReader(io.BytesIO(form()))).write(output)
    return output.getvalue()


def _cairo() -> bytes:
    """Text and a gradient, as programs on a Linux desktop print them."""
    library = ctypes.CDLL(ctypes.util.find_library("cairo"))
    pointer, number = ctypes.c_void_p, ctypes.c_double
    for name in ("cairo_pdf_surface_create", "cairo_create", "cairo_pattern_create_linear"):
        getattr(library, name).restype = pointer
    path = _temporary() / "cairo.pdf"
    surface = pointer(library.cairo_pdf_surface_create(str(path).encode(), number(595), number(842)))
    context = pointer(library.cairo_create(surface))
    gradient = pointer(library.cairo_pattern_create_linear(*map(number, (72, 200, 400, 200))))
    library.cairo_pattern_add_color_stop_rgba(gradient, *map(number, (0, 1, 0, 0, 0.5)))
    library.cairo_pattern_add_color_stop_rgba(gradient, *map(number, (1, 0, 0, 1, 1)))
    library.cairo_set_source(context, gradient)
    library.cairo_rectangle(context, *map(number, (72, 200, 328, 100)))
    library.cairo_fill(context)
    library.cairo_set_source_rgb(context, *map(number, (0, 0, 0)))
    library.cairo_set_font_size(context, number(24))
    for page in (1, 2):
        library.cairo_move_to(context, number(72), number(142))
        library.cairo_show_text(context, f"Page {page}".encode())
        library.cairo_show_page(context)
    library.cairo_pattern_destroy(gradient)
    library.cairo_destroy(context)
    library.cairo_surface_finish(surface)
    library.cairo_surface_destroy(surface)
    return path.read_bytes()
