"""How a page of a document looks and what it says, for a person to judge before signing.

Drawn by pdfium without scripts, forms' actions or links: what leaves here is a picture and text.
"""

import io
from dataclasses import dataclass
from typing import BinaryIO, Final

import pypdfium2
from PIL.Image import Dither, Quantize

from signing.limits import LIMITS
from signing.ports import DocumentDamagedError

_POINTS_PER_INCH: Final = 72


@dataclass(frozen=True, slots=True)
class ShownPage:
    """A page for a browser."""

    png: bytes
    text: str
    """What can be read on it, lines apart; empty for scanned pages."""


def draw_page(stream: BinaryIO, number: int) -> ShownPage:
    """Draw page `number`, counted from 1.

    Raises:
        DocumentDamagedError: the page cannot be drawn.
    """
    try:
        with pypdfium2.PdfDocument(stream) as document:
            if document.get_formtype():
                document.init_forms()
            page = document[number - 1]
            width, height = page.get_size()
            wanted = LIMITS.preview_dpi / _POINTS_PER_INCH
            scale = min(wanted, LIMITS.preview_side / max(width, height, 1.0))
            image = page.render(scale=scale, may_draw_forms=True).to_pil()
            text = page.get_textpage().get_text_bounded()[: LIMITS.preview_characters]
            output = io.BytesIO()
            image.convert("RGB").quantize(128, Quantize.FASTOCTREE, dither=Dither.NONE).save(
                output, "PNG", compress_level=3
            )
    except (pypdfium2.PdfiumError, ValueError, OSError, IndexError) as error:
        raise DocumentDamagedError(f"page {number} cannot be drawn: {error}") from error
    return ShownPage(output.getvalue(), "".join(c for c in text.replace("\r", "") if c == "\n" or c.isprintable()))
