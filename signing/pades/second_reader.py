"""A second opinion on a document: what pdfium, which shares no code with our reader, sees in it."""

import ctypes
import hashlib
import io
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import pypdfium2
from pypdfium2 import raw

from signing.limits import LIMITS


class SecondReaderError(ValueError):
    """The second reader cannot open or draw the document."""


@dataclass(frozen=True, slots=True)
class SeenSignature:
    """A filled signature field."""

    byte_range: tuple[int, ...]
    contents: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """How a page looks."""

    page: int
    """Its number, from 1."""
    width: int
    height: int
    sha256: bytes
    """Of its grey pixels."""


@dataclass(frozen=True, slots=True)
class View:
    """A document as the second reader sees it."""

    pages: int
    signatures: tuple[SeenSignature, ...]
    pictures: tuple["Picture", ...]
    """Some pages: the first, the last and evenly spread ones between."""


class Joined(io.RawIOBase):
    """A document with a revision behind it, read without copying the document."""

    def __init__(self, document: BinaryIO, size: int, tail: bytes | bytearray) -> None:
        self._document = document
        self._size = size
        self._tail = tail
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        start = {0: 0, 1: self._position, 2: self._size + len(self._tail)}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        wanted, done = len(view), 0
        if self._position < self._size:
            self._document.seek(self._position)
            piece = self._document.read(min(wanted, self._size - self._position))
            view[: len(piece)] = piece
            done = len(piece)
        if done < wanted:
            start = max(0, self._position - self._size)
            piece = bytes(self._tail[start : start + wanted - done])
            view[done : done + len(piece)] = piece
            done += len(piece)
        self._position += done
        return done


def look(stream: BinaryIO, *, draw: bool) -> View:
    """Open a document and note its pages, signatures and, if asked, how some pages look.

    Args:
        stream: the document, seekable.
        draw: whether to draw the first, the last and evenly spread pages between, at most `Limits.compared_pages`.

    Raises:
        SecondReaderError: pdfium cannot open it or draw a page.
    """
    try:
        with _opened(stream) as document:
            pages = len(document)
            return View(
                pages=pages,
                signatures=tuple(_signatures(document)),
                pictures=tuple(_picture(document, index) for index in _sample(pages)) if draw else (),
            )
    except (pypdfium2.PdfiumError, ValueError, OSError) as error:
        raise SecondReaderError(f"the second reader cannot read the document: {error}") from error


def loses_nothing(original: bytes, rewritten: bytes) -> bool:
    """Tell whether every page that pdfium can draw in the original is there, unchanged, in the rewritten document.

    Long documents are sampled. Where pdfium cannot open the original at all, there is nothing to contradict.

    Raises:
        SecondReaderError: pdfium cannot open the rewritten document.
    """
    try:
        with _opened(io.BytesIO(original)) as before:
            try:
                with _opened(io.BytesIO(rewritten)) as after:
                    return _keeps(before, after)
            except pypdfium2.PdfiumError as error:
                raise SecondReaderError(f"the second reader cannot read the rewritten document: {error}") from error
    except pypdfium2.PdfiumError:
        return True


def _keeps(before: pypdfium2.PdfDocument, after: pypdfium2.PdfDocument) -> bool:
    surplus = range(len(after), min(len(before), len(after) + LIMITS.compared_pages))
    if any(_drawn(before, index) is not None for index in surplus):
        return False
    for index in _sample(min(len(before), len(after))):
        picture = _drawn(before, index)
        if picture is not None and picture != _drawn(after, index):
            return False
    return True


def _drawn(document: pypdfium2.PdfDocument, index: int) -> Picture | None:
    try:
        return _picture(document, index)
    except pypdfium2.PdfiumError:
        return None


def resave(original: bytes) -> bytes:
    """Return the document as pdfium writes it anew, for damage that qpdf cannot read.

    Raises:
        SecondReaderError: pdfium cannot open it.
    """
    output = io.BytesIO()
    try:
        with _opened(io.BytesIO(original)) as document:
            document.save(output)
    except (pypdfium2.PdfiumError, ValueError, OSError) as error:
        raise SecondReaderError(f"the second reader cannot read the document: {error}") from error
    return output.getvalue()


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[pypdfium2.PdfDocument]:
    document = pypdfium2.PdfDocument(_octets(stream))
    try:
        yield document
    finally:
        document.close()


def _octets(stream: BinaryIO) -> Any:
    """Return a file's octets mapped into memory, a buffer's as they are, and any other stream itself."""
    if isinstance(stream, io.BytesIO):
        return stream.getvalue()
    try:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    except (io.UnsupportedOperation, AttributeError):
        stream.seek(0)
        return stream
    return (ctypes.c_ubyte * len(mapped)).from_buffer(mapped)


def _signatures(document: pypdfium2.PdfDocument) -> Iterator[SeenSignature]:
    count = min(raw.FPDF_GetSignatureCount(document), LIMITS.signatures)
    for index in range(count):
        signature = raw.FPDF_GetSignatureObject(document, index)
        length = raw.FPDFSignatureObj_GetByteRange(signature, None, 0)
        if not length:
            continue
        numbers = (ctypes.c_int * length)()
        raw.FPDFSignatureObj_GetByteRange(signature, numbers, length)
        size = raw.FPDFSignatureObj_GetContents(signature, None, 0)
        contents = ctypes.create_string_buffer(size)
        raw.FPDFSignatureObj_GetContents(signature, contents, size)
        yield SeenSignature(tuple(numbers), contents.raw)


def _sample(pages: int) -> list[int]:
    most = LIMITS.compared_pages
    if pages <= most:
        return list(range(pages))
    return sorted({round(step * (pages - 1) / (most - 1)) for step in range(most)})


def _picture(document: pypdfium2.PdfDocument, index: int) -> Picture:
    page = document[index]
    try:
        width, height = page.get_size()
        area = max(width * height, 1.0)
        scale = min(2.0, (LIMITS.compared_pixels / area) ** 0.5)
        bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=False)
        try:
            return Picture(index + 1, bitmap.width, bitmap.height, hashlib.sha256(bitmap.buffer).digest())
        finally:
            bitmap.close()
    finally:
        page.close()
