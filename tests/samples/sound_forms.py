"""Sound PDFs with forms, actions and attachments."""

import io
from collections.abc import Callable

from reportlab.pdfgen.canvas import Canvas

from tests.samples.writer import classic, flate, stream, text_pages

FIELD = "/Type /Annot /Subtype /Widget /F 4 /P 4 0 R"
FONT_RESOURCES = "/DR << /Font << /Helv 3 0 R >> >> /DA (/Helv 12 Tf 0 g)"


def form_objects(*, form: str = "", appearances: bool = True) -> dict[int, bytes]:
    """A page with two text fields (one filled in) and a checked box, each with or without appearance.

    `form` are further entries of the AcroForm dictionary.
    """
    catalog = f"/AcroForm << /Fields [6 0 R 7 0 R 8 0 R] {FONT_RESOURCES} {form} >>"
    objects = text_pages(catalog=catalog, page="/Annots [6 0 R 7 0 R 8 0 R]", text="Form")
    text_ap, empty_ap, check_ap = (
        ("/AP << /N 9 0 R >>", "/AP << /N 10 0 R >>", "/AP << /N << /Yes 11 0 R /Off 12 0 R >> >>")
        if appearances
        else ("", "", "")
    )
    objects |= {
        6: f"<< {FIELD} /FT /Tx /T (name) /V (Jansen) /Rect [72 600 272 620] {text_ap} >>".encode(),
        7: f"<< {FIELD} /FT /Tx /T (place) /Rect [72 560 272 580] {empty_ap} >>".encode(),
        8: f"<< {FIELD} /FT /Btn /T (agreed) /V /Yes /AS /Yes /Rect [72 520 92 540] {check_ap} >>".encode(),
    }
    if appearances:
        box = "/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /Helv 3 0 R >> >>"
        square = "/Type /XObject /Subtype /Form /BBox [0 0 20 20]"
        objects |= {
            9: stream(b"/Tx BMC BT /Helv 12 Tf 2 5 Td (Jansen) Tj ET EMC", box),
            10: stream(b"/Tx BMC EMC", box),
            11: stream(b"2 w 4 4 m 16 16 l 4 16 m 16 4 l S", square),
            12: stream(b"", square),
        }
    return objects


def form() -> bytes:
    """Fields with their appearances; no /NeedAppearances."""
    return classic(form_objects())


def form_need_appearances() -> bytes:
    """Fields without appearances and /NeedAppearances true: each viewer draws its own."""
    return classic(form_objects(form="/NeedAppearances true", appearances=False))


def form_appearances_missing() -> bytes:
    """Fields without appearances though /NeedAppearances is false: viewers differ in what they show."""
    return classic(form_objects(form="/NeedAppearances false", appearances=False))


def form_appearances_both() -> bytes:
    """Fields with appearances and /NeedAppearances true all the same."""
    return classic(form_objects(form="/NeedAppearances true"))


def form_drawn() -> bytes:
    """A form as reportlab makes it: text field, checkbox, choice and radio buttons."""
    output = io.BytesIO()
    canvas = Canvas(output, pagesize=(595, 842), invariant=1)
    canvas.drawString(72, 780, "Application")
    fields = canvas.acroForm
    fields.textfield(name="street", x=72, y=700, width=200, height=20, value="Kerkstraat 1")
    fields.checkbox(name="married", x=72, y=660, size=20, checked=True)
    fields.choice(name="country", x=72, y=620, width=120, height=20, value="BE", options=["BE", "NL", "FR"])
    fields.radio(name="language", value="nl", x=72, y=580, size=20, selected=True)
    fields.radio(name="language", value="fr", x=102, y=580, size=20, selected=False)
    canvas.save()
    return output.getvalue()


def form_hierarchy() -> bytes:
    """Fields with parents: names are ``person.first`` and ``person.last`` (12.7.3.2)."""
    objects = text_pages(catalog=f"/AcroForm << /Fields [6 0 R] {FONT_RESOURCES} >>", page="/Annots [7 0 R 8 0 R]")
    box = "/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /Helv 3 0 R >> >>"
    objects |= {
        6: b"<< /T (person) /FT /Tx /Kids [7 0 R 8 0 R] >>",
        7: f"<< {FIELD} /Parent 6 0 R /T (first) /Rect [72 600 272 620] /AP << /N 9 0 R >> >>".encode(),
        8: f"<< {FIELD} /Parent 6 0 R /T (last) /Rect [72 560 272 580] /AP << /N 9 0 R >> >>".encode(),
        9: stream(b"/Tx BMC EMC", box),
    }
    return classic(objects)


def form_empty_signature_field() -> bytes:
    """A visible and an invisible signature field, both empty."""
    objects = text_pages(catalog="/AcroForm << /Fields [6 0 R 7 0 R] >>", page="/Annots [6 0 R 7 0 R]")
    objects |= {
        6: f"<< {FIELD} /FT /Sig /T (Applicant) /Rect [72 100 272 160] /AP << /N 8 0 R >> >>".encode(),
        7: f"<< {FIELD} /FT /Sig /T (Registrar) /Rect [0 0 0 0] >>".replace("/F 4", "/F 132").encode(),
        8: stream(b"0.5 w 0 0 200 60 re S", "/Type /XObject /Subtype /Form /BBox [0 0 200 60]"),
    }
    return classic(objects)


def xfa() -> bytes:
    """A form with an XFA packet beside the AcroForm fields (12.7.8)."""
    objects = form_objects(form="/XFA [(template) 13 0 R (datasets) 14 0 R]")
    template = (
        '<template xmlns="http://www.xfa.org/schema/xfa-template/3.3/"><subform name="form1">'
        '<field name="name"/></subform></template>'
    )
    data = (
        '<xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data><form1>'
        "<name>Jansen</name></form1></xfa:data></xfa:datasets>"
    )
    objects |= {13: flate(template.encode()), 14: flate(data.encode())}
    return classic(objects)


def javascript_action() -> bytes:
    """Scripts at opening, in the name tree and in a field; they only show a message."""
    script = "<< /S /JavaScript /JS (app.alert\\('Welcome'\\);) >>"
    objects = form_objects()
    entries = f"/OpenAction {script} /Names << /JavaScript << /Names [(start) {script}] >> >>"
    objects[1] = objects[1].replace(b"/AcroForm", f"{entries} /AcroForm".encode())
    objects[6] = objects[6].replace(b"/FT /Tx", f"/FT /Tx /AA << /K {script} >>".encode())
    return classic(objects)


def active_actions() -> bytes:
    """Links that start a program, submit a form, open a remote file and a URI; they run only when clicked."""
    actions = (
        "<< /S /Launch /F (calc.exe) >>",
        "<< /S /SubmitForm /F << /FS /URL /F (https://www.example.test/submit) >> >>",
        "<< /S /GoToR /F (other.pdf) /D [0 /Fit] >>",
        "<< /S /URI /URI (https://www.example.test/) >>",
    )
    objects = text_pages(page="/Annots [6 0 R 7 0 R 8 0 R 9 0 R]")
    for i, action in enumerate(actions):
        rect = f"[72 {600 - 40 * i} 200 {630 - 40 * i}]"
        link = f"<< /Type /Annot /Subtype /Link /F 4 /Border [0 0 0] /Rect {rect} /A {action} >>"
        objects[6 + i] = link.encode()
    return classic(objects)


def attachments() -> bytes:
    """Two embedded files (7.11.4), one of them shown as an attachment annotation on the page."""
    names = "/Names << /EmbeddedFiles << /Names [(annex.txt) 6 0 R (data.xml) 7 0 R] >> >>"
    objects = text_pages(catalog=names, page="/Annots [10 0 R]")
    params = "/Params << /Size {} /ModDate (D:20240101000000Z) >>"
    text, xml = b"An annex.\n", b"<data/>"
    objects |= {
        6: b"<< /Type /Filespec /F (annex.txt) /UF (annex.txt) /EF << /F 8 0 R >> >>",
        7: b"<< /Type /Filespec /F (data.xml) /UF (data.xml) /EF << /F 9 0 R >> >>",
        8: flate(text, f"/Type /EmbeddedFile /Subtype /text#2Fplain {params.format(len(text))}"),
        9: flate(xml, f"/Type /EmbeddedFile /Subtype /text#2Fxml {params.format(len(xml))}"),
        10: b"<< /Type /Annot /Subtype /FileAttachment /Rect [500 700 520 720] /FS 6 0 R /F 4 /Name /PushPin "
        b"/AP << /N 11 0 R >> >>",
        11: stream(b"0 0 20 20 re S", "/Type /XObject /Subtype /Form /BBox [0 0 20 20]"),
    }
    return classic(objects)


FORMS: dict[str, Callable[[], bytes]] = {
    make.__name__: make
    for make in (
        form,
        form_need_appearances,
        form_appearances_missing,
        form_appearances_both,
        form_drawn,
        form_hierarchy,
        form_empty_signature_field,
        xfa,
        javascript_action,
        active_actions,
        attachments,
    )
}
