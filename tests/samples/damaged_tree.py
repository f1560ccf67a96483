"""PDFs whose page tree, form or outlines are damaged (ISO 32000-1, 7.7.3, 12.3.3, 12.7.3)."""

from tests.samples.damaged_syntax import edited
from tests.samples.writer import CATALOG, PAGES, classic, replaced, text_pages


def no_page_tree() -> bytes:
    """The catalog has no /Pages and no object is a page."""
    return classic({CATALOG: b"<< /Type /Catalog >>"})


def no_pages() -> bytes:
    """A page tree with no page in it."""
    return classic({CATALOG: b"<< /Type /Catalog /Pages 2 0 R >>", PAGES: b"<< /Type /Pages /Kids [] /Count 0 >>"})


def catalog_without_pages() -> bytes:
    """The catalog has no /Pages though there are pages."""
    return edited(CATALOG, b"/Pages 2 0 R", b"")


def pages_loop() -> bytes:
    """A page tree node that is its own grandchild."""
    objects = text_pages(1)
    objects[PAGES] = b"<< /Type /Pages /Kids [4 0 R 6 0 R] /Count 2 >>"
    objects[6] = b"<< /Type /Pages /Parent 2 0 R /Kids [2 0 R] /Count 1 >>"
    return classic(objects)


def pages_kid_is_itself() -> bytes:
    """A page tree whose only kid is itself."""
    return edited(PAGES, b"[4 0 R 6 0 R]", b"[2 0 R]")


def page_twice() -> bytes:
    """The same page object twice in the page tree."""
    return edited(PAGES, b"[4 0 R 6 0 R]", b"[4 0 R 4 0 R]")


def page_null() -> bytes:
    """A kid of the page tree that is null; /Count counts it."""
    return edited(PAGES, b"[4 0 R 6 0 R]", b"[4 0 R null]")


def page_missing() -> bytes:
    """A kid of the page tree that is not in the file."""
    return edited(PAGES, b"[4 0 R 6 0 R]", b"[4 0 R 99 0 R]")


def page_type_missing() -> bytes:
    """A page without /Type."""
    return edited(6, b"/Type /Page ", b"")


def page_with_kids() -> bytes:
    """A page with /Type /Page that has /Kids and /Count all the same: leaf or node?"""
    return edited(6, b"/Type /Page ", b"/Type /Page /Kids [4 0 R] /Count 1 ")


def node_without_kids() -> bytes:
    """A page with /Type /Pages and no /Kids: node or leaf?"""
    return edited(6, b"/Type /Page ", b"/Type /Pages ")


def page_parent_wrong() -> bytes:
    """A page whose /Parent is the catalog."""
    return edited(6, b"/Parent 2 0 R", b"/Parent 1 0 R")


def page_box_missing() -> bytes:
    """A page without /MediaBox, its own or inherited."""
    return edited(6, b"/MediaBox [0 0 595 842]", b"")


def page_in_place() -> bytes:
    """A page written into /Kids instead of a reference to it."""
    objects = text_pages(2)
    page = objects.pop(6)
    objects[PAGES] = replaced(objects[PAGES], b"6 0 R", page)
    return classic(objects)


def count_too_small() -> bytes:
    """/Count 1 of a tree of two pages."""
    return edited(PAGES, b"/Count 2", b"/Count 1")


def count_too_big() -> bytes:
    """/Count 9 of a tree of two pages."""
    return edited(PAGES, b"/Count 2", b"/Count 9")


def count_negative() -> bytes:
    """/Count -1."""
    return edited(PAGES, b"/Count 2", b"/Count -1")


def count_missing() -> bytes:
    """No /Count."""
    return edited(PAGES, b"/Count 2", b"")


def form_loop() -> bytes:
    """A form field that is its own kid."""
    objects = text_pages(1, catalog="/AcroForm << /Fields [6 0 R] >>")
    objects[6] = b"<< /T (a) /FT /Tx /Kids [6 0 R] >>"
    return classic(objects)


def form_not_a_dictionary() -> bytes:
    """/AcroForm is a number."""
    return classic(text_pages(2, catalog="/AcroForm 7"))


def outlines_loop() -> bytes:
    """An outline item that is its own successor."""
    objects = text_pages(1, catalog="/Outlines 6 0 R")
    objects[6] = b"<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>"
    objects[7] = b"<< /Title (Again) /Parent 6 0 R /Next 7 0 R /Dest [4 0 R /Fit] >>"
    return classic(objects)
