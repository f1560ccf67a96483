"""Admission of a document: sound as it is, rewritten because it is damaged, or refused with the reason.

A signer that cannot read a file as others do must not sign it as it is. A damaged file without a signature is rewritten
by qpdf (or by pdfium, where qpdf gives up), and that is said: both digests and what was wrong. A file that carries a
signature is never rewritten.
"""

import hashlib
import io
import re
from dataclasses import dataclass
from typing import BinaryIO

import pikepdf

from signing.limits import LIMITS
from signing.pades.revision import RevisionBuilder
from signing.pades.second_reader import Joined, SecondReaderError, View, look, loses_nothing, resave
from signing.pades.soundness import check_objects, findings_of, without_stream_name
from signing.pades.source import READ_ERRORS, PdfSource, chunks
from signing.ports import (
    DocumentDamagedError,
    DocumentEncryptedError,
    DocumentError,
    DocumentIncompleteError,
    DocumentSignedAndDamagedError,
    DocumentTooLargeError,
    NotAPdfError,
)

_SIGNATURE = re.compile(rb"/ByteRange\s*\[|/Type\s*/(?:Sig|DocTimeStamp)\b|/SubFilter\s*/(?:adbe\.|ETSI\.)")
_OBJECT = re.compile(rb"\d+ +\d+ +obj\b")
_TAIL_WINDOW = 2048
_TRIAL_ROOM = 16


@dataclass(frozen=True, slots=True)
class Repair:
    """That and why a document was rewritten before signing."""

    original_sha256: bytes
    rewritten_sha256: bytes
    findings: tuple[str, ...]
    """What was wrong, in the words of the readers."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A document that can be signed."""

    stream: BinaryIO
    """What is shown and signed: the given document, or its rewritten form."""
    pages: int
    signatures: int
    """Signatures and timestamps that it already carries."""
    repaired: Repair | None
    view: View
    """How the second reader sees `stream`; `release` compares the signed document with it."""


def admit(stream: BinaryIO, *, allow_rewrite: bool = True) -> Admission:
    """Decide whether and in which form a document can be signed.

    Args:
        stream: the document, seekable; it stays the caller's to close.
        allow_rewrite: whether a damaged document may be rewritten.

    Raises:
        DocumentError: one of its subclasses, which names the reason.
    """
    try:
        return _inspect(stream, None)
    except DocumentIncompleteError:
        raise
    except (DocumentDamagedError, NotAPdfError, DocumentEncryptedError) as error:
        damage = error
    original = _read(stream)
    if isinstance(damage, NotAPdfError) and (not original or b"%PDF-" not in original):
        raise damage
    if isinstance(damage, DocumentEncryptedError) and not _opens_without_password(original):
        raise damage
    if _SIGNATURE.search(original):
        raise DocumentSignedAndDamagedError(f"the document is signed and damaged: {damage}")
    if not allow_rewrite:
        raise damage
    rewritten, findings = _rewrite(original)
    repair = Repair(
        original_sha256=hashlib.sha256(original).digest(),
        rewritten_sha256=hashlib.sha256(rewritten).digest(),
        findings=(str(damage), *findings),
    )
    admission = _inspect(io.BytesIO(rewritten), repair)
    try:
        if _pages(original) in (None, admission.pages) and loses_nothing(original, rewritten):
            return admission
    except SecondReaderError as error:
        raise DocumentDamagedError(str(error)) from error
    raise DocumentDamagedError("the document is damaged, and readers disagree about what it shows")


def _inspect(stream: BinaryIO, repair: Repair | None) -> Admission:
    source = PdfSource(stream)
    pages = source.count_pages()
    signatures = len(source.signature_fields())
    source.check_may_be_signed()
    _check_tail(source)
    if not signatures and repair is None:
        if source.reader.xrefs.hybrid_xrefs_present:
            raise DocumentDamagedError("old and new readers may see different documents (hybrid cross-references)")
        check_objects(stream)
    try:
        builder = RevisionBuilder(source)
        builder.add_signature(_TRIAL_ROOM, moment=None)
        revision = builder.build()
    except RecursionError as error:
        raise DocumentTooLargeError("the document is nested too deeply") from error
    except READ_ERRORS as error:
        raise DocumentDamagedError(f"the document cannot be extended: {error}") from error
    try:
        before = look(stream, draw=True)
        after = look(io.BufferedReader(Joined(stream, source.size, revision.data)), draw=False)
    except SecondReaderError as error:
        raise DocumentDamagedError(str(error)) from error
    if before.pages != pages or after.pages != pages or len(after.signatures) != len(before.signatures) + 1:
        raise DocumentDamagedError("readers disagree about the document's pages or form")
    return Admission(stream, pages, signatures, repair, before)


def _check_tail(source: PdfSource) -> None:
    """Refuse a file that was cut off inside its last revision: readers take the revision before it for the whole."""
    source.stream.seek(max(0, source.size - _TAIL_WINDOW))
    tail = source.stream.read().rpartition(b"%%EOF")[2]
    if _SIGNATURE.search(tail):
        raise DocumentSignedAndDamagedError("the document is cut off inside a signature")
    if _OBJECT.search(tail):
        raise DocumentIncompleteError("the document is cut off inside its last revision")


def _read(stream: BinaryIO) -> bytes:
    size = stream.seek(0, io.SEEK_END)
    if size > LIMITS.document_bytes:
        raise DocumentTooLargeError(f"the document is larger than {LIMITS.document_bytes} octets")
    return b"".join(bytes(chunk) for chunk in chunks(stream, size)) if size else b""


def _pages(original: bytes) -> int | None:
    """Count the pages where our strict reader can."""
    try:
        return PdfSource(io.BytesIO(original)).count_pages()
    except DocumentError:
        return None


def _opens_without_password(original: bytes) -> bool:
    """Tell whether qpdf opens an encrypted document with the empty user password, where our reader could not."""
    try:
        with pikepdf.open(io.BytesIO(original), suppress_warnings=True) as pdf:
            return bool(pdf.user_password_matched)
    except (pikepdf.PasswordError, pikepdf.PdfError, *READ_ERRORS):
        return False


def _rewrite(original: bytes) -> tuple[bytes, list[str]]:
    try:
        return _rewrite_with_qpdf(original)
    except DocumentDamagedError as error:
        if b"/Encrypt" in original:
            raise
        try:
            return resave(original), [str(error)]
        except SecondReaderError:
            raise error from None


def _rewrite_with_qpdf(original: bytes) -> tuple[bytes, list[str]]:
    output = io.BytesIO()
    try:
        with pikepdf.open(io.BytesIO(original), suppress_warnings=True) as pdf:
            if pdf.is_encrypted and not pdf.user_password_matched:
                raise DocumentEncryptedError("the document needs a password to be opened")
            if len(pdf.objects) > LIMITS.document_objects:
                raise DocumentTooLargeError(f"the document has more than {LIMITS.document_objects} objects")
            if any(isinstance(o, pikepdf.Dictionary) and "/ByteRange" in o for o in pdf.objects):
                raise DocumentSignedAndDamagedError("the document is signed and damaged")
            if len(pdf.pages) == 0:
                raise DocumentDamagedError("the document is damaged and has no pages")
            if "/Size" not in pdf.trailer:
                pdf.trailer["/Size"] = len(pdf.objects) + 1  # qpdf corrects it, but does not add it
            pdf.save(output, encryption=pdf.is_encrypted, fix_metadata_version=False, compress_streams=False)
            findings = findings_of(pdf)
    except DocumentError:
        raise
    except pikepdf.PasswordError as error:
        raise DocumentEncryptedError("the document needs a password to be opened") from error
    except (pikepdf.PdfError, *READ_ERRORS) as error:
        raise DocumentDamagedError(
            f"the document is damaged beyond repair: {without_stream_name(str(error))}"
        ) from error
    if output.tell() > LIMITS.rewritten_bytes:
        raise DocumentTooLargeError(f"the rewritten document is larger than {LIMITS.rewritten_bytes} octets")
    return output.getvalue(), findings
