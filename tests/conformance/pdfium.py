"""How pdfium shows a document: the reader of many browsers, asked directly."""

from dataclasses import dataclass

import pypdfium2


@dataclass(frozen=True)
class Page:
    """One page as drawn."""

    rotation: int
    """Degrees, clockwise."""
    width: int
    height: int
    """Pixels."""
    pixels: bytes
    text: str


def drawn_pages(data: bytes, *, scale: float = 0.5) -> list[Page]:
    """Every page of a document, drawn in colour at `scale` pixels per point; fields are drawn by their appearance."""
    pages = []
    with pypdfium2.PdfDocument(data) as document:
        for index in range(len(document)):
            page = document[index]
            bitmap = page.render(scale=scale, may_draw_forms=False)
            text = page.get_textpage()
            pages.append(
                Page(
                    rotation=page.get_rotation(),
                    width=bitmap.width,
                    height=bitmap.height,
                    pixels=bytes(bitmap.buffer),
                    text=text.get_text_range(),
                )
            )
            text.close()
            bitmap.close()
            page.close()
    return pages


def rotations(data: bytes) -> list[int]:
    """The rotation of every page, in degrees."""
    with pypdfium2.PdfDocument(data) as document:
        return [document[index].get_rotation() for index in range(len(document))]
