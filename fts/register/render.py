"""The register as Markdown and as PDF."""

from pathlib import Path
from typing import Final

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace, TTFFont

from fts.register.model import Register

_FONTS: Final = Path("/usr/share/fonts/truetype/dejavu")
_SIZE: Final = 8.0


def markdown(register: Register) -> str:
    """Return the register as Markdown."""
    lines = [f"# {_cell(register.title)}", "", f"{register.environment}, {_moment(register)}", ""]
    for table in register.tables:
        lines += [f"## {table.title}", "", _row(table.columns), "|" + "---|" * len(table.columns)]
        lines += [_row(row) for row in table.rows] + [""]
    return "\n".join(lines)


def pdf(register: Register) -> bytes:
    """Return the register as a PDF with bookmarks and page numbers."""
    document = _Document(register)
    for table in register.tables:
        document.start_section(table.title)
        document.set_font(document.face, "B", 11)
        document.cell(text=document.shown(table.title), new_x=XPos.LMARGIN, new_y=YPos.NEXT, h=9)
        document.set_font(document.face, "", _SIZE)
        with document.table(headings_style=FontFace(emphasis="BOLD"), line_height=4.2) as drawn:
            for row in (table.columns, *table.rows):
                cells = drawn.row()
                for text in row:
                    cells.cell(document.shown(text))
        document.ln(3)
    return bytes(document.output())


class _Document(FPDF):
    def __init__(self, register: Register) -> None:
        super().__init__(orientation="landscape", format="A4")
        self._register = register
        unicode = (_FONTS / "DejaVuSans.ttf").exists()
        self.face = "dejavu" if unicode else "helvetica"
        if unicode:
            self.add_font("dejavu", "", str(_FONTS / "DejaVuSans.ttf"))
            self.add_font("dejavu", "B", str(_FONTS / "DejaVuSans-Bold.ttf"))
        self.set_title(register.title)
        self.set_lang("en")
        self.set_creation_date(register.made_at)
        self.set_auto_page_break(auto=True, margin=15)
        self.add_page()

    def shown(self, text: str) -> str:
        """Return text that the font can draw; what it cannot becomes a question mark."""
        plain = "".join(character if character.isprintable() else " " for character in text)
        if self.face == "helvetica":
            return plain.encode("latin-1", "replace").decode("latin-1")
        font = self.fonts["dejavu"]
        known = font.cmap if isinstance(font, TTFFont) else {}
        return "".join(character if ord(character) in known else "?" for character in plain)

    def header(self) -> None:
        """Draw what each page begins with."""
        self.set_font(self.face, "B", 10)
        self.cell(text=self.shown(self._register.title), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_font(self.face, "", _SIZE)
        text = f"{self._register.environment}, {_moment(self._register)}"
        self.cell(text=text, new_x=XPos.LMARGIN, new_y=YPos.NEXT, h=8)

    def footer(self) -> None:
        """Draw the page's number."""
        self.set_y(-12)
        self.set_font(self.face, "", _SIZE)
        self.cell(text=f"{self.page_no()}/{{nb}}", align="C", w=0)


def _moment(register: Register) -> str:
    return f"{register.made_at:%Y-%m-%d %H:%M} UTC"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
