"""Three small PDF documents for the demo: a letter, a form and a report of several pages, in three languages."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, Final

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, String

_WIDTH: Final = 595
_HEIGHT: Final = 842
_LEFT: Final = 72
_TOP: Final = 760

Line = tuple[str, int, str]
"""Font (F1 plain, F2 bold), size in points, text."""

_LETTER: Final[Sequence[Line]] = (
    ("F2", 16, "Voorbeeldgemeente"),
    ("F1", 10, "Dienst Bevolking - Marktplein 1 - 0000 Voorbeeldstad"),
    ("F1", 11, ""),
    ("F1", 11, "Geachte mevrouw, geachte heer,"),
    ("F1", 11, ""),
    ("F1", 11, "Wij bevestigen de ontvangst van uw aanvraag. Deze brief is een voorbeeld: hij toont"),
    ("F1", 11, "hoe een document elektronisch wordt ondertekend, zodat iedereen later kan nagaan"),
    ("F1", 11, "wie het ondertekende, wanneer, en dat er sindsdien niets aan veranderd is."),
    ("F1", 11, ""),
    ("F1", 11, "De handtekening is van het niveau PAdES-LTA: alles wat nodig is om ze na te gaan,"),
    ("F1", 11, "zit in het bestand zelf, ook wanneer de uitgever van het certificaat niet meer bestaat."),
    ("F1", 11, ""),
    ("F1", 11, "Met vriendelijke groeten,"),
    ("F1", 11, "De ambtenaar van dienst"),
)

_FORM: Final[Sequence[Line]] = (
    ("F2", 16, "Demande d'attestation"),
    ("F1", 10, "Formulaire d'exemple - ne pas envoyer"),
    ("F1", 11, ""),
    ("F1", 11, "Les champs ci-dessous peuvent être remplis avant la signature."),
)
_FIELDS: Final = (("nom", "Nom", "Exemple"), ("prenom", "Prénom", "Camille"), ("objet", "Objet", "Attestation"))

_REPORT: Final[Sequence[Sequence[Line]]] = (
    (
        ("F2", 16, "Annual report on an example"),
        ("F1", 11, ""),
        ("F1", 11, "This report has three pages. A signature covers all of them, and whatever else the file"),
        ("F1", 11, "holds, octet by octet: the range that it covers stands in the signature itself."),
    ),
    (
        ("F2", 13, "1. What a timestamp adds"),
        ("F1", 11, ""),
        ("F1", 11, "A timestamp of a trusted authority proves that the signature existed at a moment. From"),
        ("F1", 11, "then on it does not matter that the signer's certificate expires or is revoked later."),
    ),
    (
        ("F2", 13, "2. What an archive timestamp adds"),
        ("F1", 11, ""),
        ("F1", 11, "It covers the document, the signature and all validation data. A new one every some"),
        ("F1", 11, "years, with the algorithms of its day, keeps the proof alive."),
    ),
)


def demo_documents() -> Iterator[tuple[str, bytes]]:
    """Yield file name and content of each document; the content is the same every time."""
    yield "brief.pdf", _document("nl", "Brief", [_LETTER])
    yield "formulaire.pdf", _form()
    yield "report.pdf", _document("en", "Annual report", _REPORT)


def _document(language: str, title: str, pages: Sequence[Sequence[Line]]) -> bytes:
    with _new(language, title) as pdf:
        for lines in pages:
            _add_page(pdf, lines)
        return _saved(pdf)


def _form() -> bytes:
    with _new("fr", "Demande d'attestation") as pdf:
        page = _add_page(pdf, _FORM)
        fonts = Dictionary(Helv=pdf.make_indirect(_font("Helvetica")))
        fields = []
        for number, (name, label, value) in enumerate(_FIELDS):
            top = _TOP - 130 - 40 * number
            page.contents_add(_text([("F1", 11, label)], top).encode("cp1252"))
            box = [_LEFT + 90, top - 6, _LEFT + 330, top + 14]
            appearance = pdf.make_stream(
                f"0.6 G 0.5 0.5 239 19 re S /Tx BMC BT /Helv 11 Tf 4 6 Td ({value}) Tj ET EMC".encode("cp1252"),
                Type=Name.XObject,
                Subtype=Name.Form,
                BBox=Array([0, 0, 240, 20]),
                Resources=Dictionary(Font=fonts),
            )
            fields.append(
                pdf.make_indirect(
                    Dictionary(
                        Type=Name.Annot,
                        Subtype=Name.Widget,
                        FT=Name.Tx,
                        T=String(name),
                        TU=String(label),
                        V=String(value),
                        DA=String("/Helv 11 Tf 0 g"),
                        F=4,
                        Rect=Array(box),
                        P=page.obj,
                        AP=Dictionary(N=appearance),
                    )
                )
            )
        page.obj.Annots = Array(fields)
        pdf.Root.AcroForm = pdf.make_indirect(
            Dictionary(Fields=Array(fields), DA=String("/Helv 11 Tf 0 g"), DR=Dictionary(Font=fonts))
        )
        return _saved(pdf)


def _new(language: str, title: str) -> Pdf:
    pdf = Pdf.new()
    pdf.Root.Lang = String(language)
    pdf.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True)
    pdf.docinfo["/Title"] = String(title)
    return pdf


def _add_page(pdf: Pdf, lines: Sequence[Line]) -> pikepdf.Page:
    page = pdf.add_blank_page(page_size=(_WIDTH, _HEIGHT))
    page.obj.Resources = Dictionary(Font=Dictionary(F1=_font("Helvetica"), F2=_font("Helvetica-Bold")))
    page.contents_add(_text(lines, _TOP).encode("cp1252"))
    return page


def _font(name: str) -> Any:
    return Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name(f"/{name}"), Encoding=Name.WinAnsiEncoding)


def _text(lines: Sequence[Line], top: int) -> str:
    operators = [f"BT 1 0 0 1 {_LEFT} {top} Tm"]
    for font, size, text in lines:
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        operators.append(f"/{font} {size} Tf ({escaped}) Tj 0 {-round(size * 1.5)} Td")
    return "\n".join([*operators, "ET"])


def _saved(pdf: Pdf) -> bytes:
    output = BytesIO()
    pdf.save(output, deterministic_id=True)
    return output.getvalue()
