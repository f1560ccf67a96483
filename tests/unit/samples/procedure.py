"""The reference procedure: how a file's answer (signed, rewritten, refused) follows from three readers.

1. pyHanko reads strictly, walks catalog, pages, their content and the form, and appends a revision.
2. pdfium sees the same pages and the same points of them in the file as it is, in pyHanko's copy of it and after
   the appended revision.
3. If either fails, a file without a signature is written anew by qpdf and goes through 1 and 2 again.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pikepdf
import pypdfium2
from PIL import Image
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.crypt import AuthStatus, StandardSecurityHandler
from pyhanko.pdf_utils.crypt.permissions import StandardPermissions
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfDecodeLimitError, PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer

from tests.samples.damage import Expectation, Reason

MAX_IMAGE_POINTS = 1_000_000_000
"""Points of one image beyond which a file is too complex to draw."""

MAX_OBJECTS = 8_388_607
"""Objects in a file (ISO 32000-1, table C.1). New ones are numbered from /Size on, and pdfium sees no signature in an
object numbered 33,000,000 or more."""

MAX_PAGES_DRAWN = 3
POINTS_ACROSS = 200
"""Longest side of a drawn page."""

READ_ERRORS = (
    PdfError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    OverflowError,
    OSError,
    struct.error,
    zlib.error,
)
"""What pyHanko raises on damaged files; only the first is documented."""

MEND_ERRORS = (pikepdf.PdfError, pypdfium2.PdfiumError, ValueError, LookupError, TypeError, RuntimeError)

_SIGNATURE = re.compile(rb"/ByteRange\b|/Type\s*/(?:Sig|DocTimeStamp)\b")
_CUT_SIGNATURE = re.compile(_SIGNATURE.pattern + rb"|/SigFlags\b")
"""Behind the last end-of-file marker: pyHanko writes /Contents before /ByteRange and /Type."""

_FILLING_IN = StandardPermissions.ALLOW_FORM_FILLING | StandardPermissions.ALLOW_ANNOTS_FORM_FILLING


@dataclass(frozen=True)
class Verdict:
    """The answer to a file and why; `detail` is for people."""

    expect: Expectation
    reason: Reason | None
    detail: str


class RefusedError(Exception):
    """The file is refused whatever qpdf could do about it."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail)
        self.reason: Reason = reason


class UnreadableError(Exception):
    """A strict reader stumbles, or the readers disagree."""


def judge(data: bytes) -> Verdict:
    """The answer to `data` by the reference procedure."""
    if not data:
        return Verdict("refused", "empty", "")
    try:
        try:
            check(data)
        except UnreadableError as damage:
            check(mended(data))
            return Verdict("rewritten", None, str(damage))
    except RefusedError as refusal:
        return Verdict("refused", refusal.reason, str(refusal))
    except UnreadableError as damage:
        reason: Reason = "damaged" if b"%PDF-" in data else "not_a_pdf"
        return Verdict("refused", reason, str(damage))
    return Verdict("signed", None, "")


def check(data: bytes) -> None:
    """Steps 1 and 2.

    Raises:
        RefusedError: the file is encrypted, forbids signing or is too complex.
        UnreadableError: the strict reader fails or the readers disagree.
    """
    if _CUT_SIGNATURE.search(data, max(data.rfind(b"%%EOF"), 0)):
        raise RefusedError("signed_and_damaged", "a signature's revision is cut")
    try:
        count, copied, extended = strictly_read(data)
        views = [view(version) for version in (data, copied, extended)]
    except (RecursionError, PdfDecodeLimitError) as excess:
        raise RefusedError("too_complex", type(excess).__name__) from excess
    except READ_ERRORS as error:
        raise UnreadableError(f"strict: {type(error).__name__}: {error}") from error
    except pypdfium2.PdfiumError as error:
        raise UnreadableError(f"pdfium: {error}") from error
    if views[0].pages != count:
        raise UnreadableError(f"pyHanko sees {count} pages, pdfium {views[0].pages}")
    if views[0] != views[1]:
        raise UnreadableError("pdfium draws the file otherwise than pyHanko's copy of it")
    if views[0] != views[2]:
        raise UnreadableError("pdfium draws the file otherwise after a revision is appended")


def strictly_read(data: bytes) -> tuple[int, bytes, bytes]:
    """Number of pages, pyHanko's copy of the file, and the file with an appended revision."""
    reader = PdfFileReader(io.BytesIO(data), strict=True)
    if reader.trailer["/Size"] > MAX_OBJECTS:
        raise PdfError(f"/Size is {reader.trailer['/Size']}")
    encrypted = reader.encrypt_dict is not None
    if encrypted:
        unlock(reader)
    if reader.xrefs.hybrid_xrefs_present:
        raise PdfError("hybrid cross-references, which pyHanko does not sign")
    pages = list(leaves(reader.root["/Pages"]))
    if not pages:
        raise PdfError("no page")
    if reader.root["/Pages"]["/Count"] != len(pages):
        raise PdfError(f"/Count is {reader.root['/Pages']['/Count']}, pages are {len(pages)}")
    for page in pages[:MAX_PAGES_DRAWN]:
        weigh(page)
    walk_form(reader)

    copied = io.BytesIO()
    copy_into_new_writer(reader).write(copied)
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    if encrypted:
        writer.encrypt(b"")
    writer.root["/SampleRevision"] = generic.NumberObject(1)
    writer.update_root()
    extended = io.BytesIO()
    writer.write(extended)
    PdfFileReader(extended, strict=True)
    return len(pages), copied.getvalue(), extended.getvalue()


def unlock(reader: PdfFileReader) -> None:
    """Opens the file under the empty user password.

    Raises:
        RefusedError: another password is wanted, or the rights do not include filling in.
    """
    try:
        handler = reader.security_handler
    except PdfError as error:
        raise RefusedError("encrypted", str(error)) from error
    if not isinstance(handler, StandardSecurityHandler):
        raise RefusedError("encrypted", "not the standard security handler")
    result = reader.decrypt(b"")
    if result.status == AuthStatus.FAILED:
        raise RefusedError("encrypted", "user password")
    if result.status == AuthStatus.USER and not (result.permission_flags or StandardPermissions(0)) & _FILLING_IN:
        raise RefusedError("permission_denied")


def leaves(node: Any, path: tuple[int, ...] = ()) -> Iterator[Any]:
    """The pages below a page tree node.

    Raises:
        PdfError: the tree loops, or a node is no dictionary.
    """
    if not isinstance(node, generic.DictionaryObject):
        raise PdfError("a page tree node is no dictionary")
    if "/Kids" not in node:
        yield node
        return
    if id(node) in path:
        raise PdfError("the page tree loops")
    for kid in items(node["/Kids"]):
        yield from leaves(kid, (*path, id(node)))


def weigh(page: Any) -> None:
    """Decodes the content of a page within pyHanko's limits, and looks at the size of its images.

    Raises:
        PdfDecodeLimitError: too much data.
        RefusedError: an image of too many points.
    """
    contents = entry(page, "/Contents", ())
    for content in items(contents) if isinstance(contents, generic.ArrayObject) else [contents]:
        if isinstance(content, generic.StreamObject):
            with suppress(NotImplementedError, zlib.error):
                len(content.data)
    images = entry(inherited(page, "/Resources"), "/XObject", {})
    for name in images:
        image = images[name]
        if entry(image, "/Subtype") == "/Image" and image["/Width"] * image["/Height"] > MAX_IMAGE_POINTS:
            raise RefusedError("too_complex", f"an image of {image['/Width']} x {image['/Height']} points")


def inherited(page: Any, key: str) -> Any:
    """An inheritable entry of a page, or an empty dictionary."""
    node, seen = page, 0
    while key not in node and "/Parent" in node and seen < 100:
        node, seen = node["/Parent"], seen + 1
    return entry(node, key, generic.DictionaryObject())


def entry(node: Any, key: str, default: Any = None) -> Any:
    """A dictionary entry with references followed and strings decrypted, which pyHanko's `get` does not do."""
    try:
        return node[key]
    except KeyError:
        return default


def items(array: Any) -> Iterator[Any]:
    """The elements of an array, likewise."""
    return (array[i] for i in range(len(array)))


def walk_form(reader: PdfFileReader) -> None:
    """Reads the fields of the form.

    Raises:
        PdfError: the form is no dictionary, or a field is below itself.
    """
    form = entry(reader.root, "/AcroForm", generic.DictionaryObject())
    if not isinstance(form, generic.DictionaryObject):
        raise PdfError("the form is no dictionary")
    todo: list[tuple[Any, tuple[int, ...]]] = [(form, ())]
    while todo:
        node, path = todo.pop()
        if id(node) in path:
            raise PdfError("the form loops")
        kids = entry(node, "/Fields" if node is form else "/Kids", ())
        todo += [(kid, (*path, id(node))) for kid in items(kids)]


@dataclass(frozen=True)
class View:
    """What pdfium shows of a file."""

    pages: int
    drawings: tuple[bytes, ...]


def view(data: bytes) -> View:
    """Number of pages, and the points of the first `MAX_PAGES_DRAWN`."""
    with pypdfium2.PdfDocument(data) as document:
        return View(len(document), tuple(draw(document, i) for i in range(min(len(document), MAX_PAGES_DRAWN))))


def draw(document: pypdfium2.PdfDocument, index: int) -> bytes:
    """The points of a page.

    Raises:
        pypdfium2.PdfiumError: pdfium cannot load it.
    """
    page = document[index]
    try:
        image: Image.Image = page.render(scale=POINTS_ACROSS / max(*page.get_size(), 1)).to_pil()
        return b"%dx%d " % image.size + image.tobytes()
    finally:
        page.close()


def mended(data: bytes) -> bytes:
    """Step 3: `data` as qpdf writes it.

    Raises:
        RefusedError: it carries a signature, is encrypted, or forbids signing.
        UnreadableError: qpdf finds no page in it.
    """
    if _SIGNATURE.search(data):
        raise RefusedError("signed_and_damaged")
    output = io.BytesIO()
    try:
        with pikepdf.open(io.BytesIO(data)) as pdf:
            if pdf.is_encrypted and not (pdf.allow.modify_form or pdf.allow.modify_annotation):
                raise RefusedError("permission_denied")
            if any(isinstance(o, pikepdf.Dictionary) and "/ByteRange" in o for o in pdf.objects):
                raise RefusedError("signed_and_damaged")
            if len(pdf.pages) == 0:
                raise UnreadableError("qpdf: no page")
            pdf.trailer["/Size"] = 1  # qpdf writes the true one, but none if the trailer was lost
            pdf.save(output, encryption=pdf.is_encrypted, deterministic_id=not pdf.is_encrypted)
    except pikepdf.PasswordError as error:
        raise RefusedError("encrypted", str(error)) from error
    except MEND_ERRORS as error:
        raise UnreadableError(f"qpdf: {type(error).__name__}: {error}") from error
    return output.getvalue()
