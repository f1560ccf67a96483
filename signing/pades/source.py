"""Opening a PDF for signing: strict reading, rights, certification and locks (ISO 32000-2, 7.6 and 12.8.2)."""

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.crypt import AuthStatus
from pyhanko.pdf_utils.crypt.permissions import StandardPermissions
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader

from signing.limits import LIMITS
from signing.pades.objects import elements, entry, references
from signing.ports import (
    DocumentCertifiedError,
    DocumentDamagedError,
    DocumentEncryptedError,
    DocumentError,
    DocumentLockedError,
    DocumentPermissionError,
    DocumentTooLargeError,
    NotAPdfError,
)

READ_ERRORS = (
    PdfError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    OSError,
    zlib.error,
    struct.error,
    MemoryError,
    EOFError,
)
"""What a reader of hostile octets may raise; the border turns each into a `DocumentError`."""

_CHUNK = 1024 * 1024
_HEADER_WINDOW = 1024
_MOST_OBJECTS_OF_READERS = 8_388_607
"""What readers support (ISO 32000-1, annex C); beyond it some see nothing of an update."""
_SIGNING_RIGHTS = (StandardPermissions.ALLOW_ANNOTS_FORM_FILLING, StandardPermissions.ALLOW_FORM_FILLING)


@dataclass(frozen=True, slots=True)
class SignatureField:
    """A filled signature field."""

    name: str
    value: generic.DictionaryObject
    lock: generic.DictionaryObject | None


class PdfSource:
    """A PDF that a strict reader understands, with what signing needs to know of it."""

    def __init__(self, stream: BinaryIO) -> None:
        """Open a document.

        Args:
            stream: the document, seekable; it stays the caller's to close.

        Raises:
            NotAPdfError: there is no PDF header in the first 1,024 octets.
            DocumentTooLargeError: a limit is exceeded.
            DocumentEncryptedError: a password is needed.
            DocumentDamagedError: the structure is not as ISO 32000 prescribes.
        """
        self.stream = stream
        self.size = stream.seek(0, os.SEEK_END)
        _check_header(stream, self.size)
        try:
            self.reader = PdfFileReader(stream, strict=True)
            objects = int(self.reader.trailer["/Size"])
            if objects > _MOST_OBJECTS_OF_READERS:
                raise DocumentDamagedError(f"the cross-reference table claims {objects} objects")
            if objects > LIMITS.document_objects:
                raise DocumentTooLargeError(f"the document has more than {LIMITS.document_objects} objects")
            self.may_be_filled_in = _unlock(self.reader)
            self.root: generic.DictionaryObject = self.reader.root
        except DocumentError:
            raise
        except RecursionError as error:
            raise DocumentTooLargeError("the document is nested too deeply") from error
        except READ_ERRORS as error:
            raise DocumentDamagedError(f"the document is damaged: {error}") from error

    def count_pages(self) -> int:
        """Walk the page tree and return the number of pages.

        Raises:
            DocumentTooLargeError: a limit is exceeded.
            DocumentDamagedError: there is no page, or the tree is not as ISO 32000 prescribes.
        """
        try:
            count = sum(1 for _ in self._walk_pages())
        except DocumentError:
            raise
        except RecursionError as error:
            raise DocumentTooLargeError("the document is nested too deeply") from error
        except READ_ERRORS as error:
            raise DocumentDamagedError(f"the page tree is damaged: {error}") from error
        if not count:
            raise DocumentDamagedError("the document has no pages")
        return count

    def first_page(self) -> generic.IndirectObject:
        """Return the reference to the first page."""
        return next(self._walk_pages())

    def signature_fields(self) -> list[SignatureField]:
        """Return the filled signature fields, timestamps included, in the order of the form.

        Raises:
            DocumentTooLargeError: the form exceeds a limit.
            DocumentDamagedError: the form is not as ISO 32000 prescribes.
        """
        try:
            return list(walk_signature_fields(self.root))
        except DocumentError:
            raise
        except READ_ERRORS as error:
            raise DocumentDamagedError(f"the form is damaged: {error}") from error

    def check_may_be_signed(self) -> None:
        """Check rights, certification and locks.

        Raises:
            DocumentPermissionError, DocumentCertifiedError, DocumentLockedError: what forbids a signature.
        """
        if not self.may_be_filled_in:
            raise DocumentPermissionError("the document's owner allows neither filling in nor signing")
        try:
            if _doc_mdp(self.root) == 1:
                raise DocumentCertifiedError("the author certified the document and allows no further change")
            for field in self.signature_fields():
                _check_lock(field)
        except DocumentError:
            raise
        except READ_ERRORS as error:
            raise DocumentDamagedError(f"a certification or lock is damaged: {error}") from error

    def sha256(self) -> bytes:
        """Return the document's SHA-256."""
        digest = hashlib.sha256()
        for chunk in chunks(self.stream, self.size):
            digest.update(chunk)
        return digest.digest()

    def _walk_pages(self) -> Iterator[generic.IndirectObject]:
        pages = 0
        seen: set[tuple[int, int]] = set()
        pending: list[tuple[generic.IndirectObject, int]] = [(self.root.raw_get("/Pages"), 0)]
        while pending:
            reference, depth = pending.pop()
            if depth > LIMITS.page_tree_depth:
                raise DocumentTooLargeError("the page tree is nested too deeply")
            if not isinstance(reference, generic.IndirectObject):
                raise DocumentDamagedError("a page is not an indirect object")
            node = reference.get_object()
            if not isinstance(node, generic.DictionaryObject):
                raise DocumentDamagedError("the page tree names an object that is no page")
            kids = entry(node, "/Kids")
            if kids is None:
                pages += 1
                if pages > LIMITS.document_pages:
                    raise DocumentTooLargeError(f"the document has more than {LIMITS.document_pages} pages")
                yield reference
            else:
                key = (reference.idnum, reference.generation)
                if key in seen:
                    raise DocumentDamagedError("the page tree has a loop")
                seen.add(key)
                pending.extend((kid, depth + 1) for kid in reversed(references(kids)))


def walk_signature_fields(root: generic.DictionaryObject) -> Iterator[SignatureField]:
    """Yield the filled signature fields of a catalog's form, depth first.

    Raises:
        DocumentTooLargeError: there are too many fields.
    """
    form = entry(root, "/AcroForm")
    if not isinstance(form, generic.DictionaryObject):
        return
    seen: set[tuple[int, int]] = set()
    pending = [(field, "", None, None) for field in reversed(references(entry(form, "/Fields")))]
    while pending:
        reference, prefix, kind, lock = pending.pop()
        if isinstance(reference, generic.IndirectObject):
            key = (reference.idnum, reference.generation)
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > LIMITS.form_fields:
                raise DocumentTooLargeError(f"the form has more than {LIMITS.form_fields} fields")
            field = reference.get_object()
        else:
            field = reference
        if not isinstance(field, generic.DictionaryObject):
            continue
        part = entry(field, "/T")
        name = prefix if part is None else f"{prefix}.{part}" if prefix else str(part)
        kind = entry(field, "/FT", kind)
        lock = entry(field, "/Lock", lock)
        value = entry(field, "/V") if kind == "/Sig" else None
        if isinstance(value, generic.DictionaryObject):
            yield SignatureField(name, value, lock)
        pending.extend((kid, name, kind, lock) for kid in reversed(references(entry(field, "/Kids"))))


def chunks(stream: BinaryIO, size: int) -> Iterator[memoryview]:
    """Yield the first `size` octets of a stream in pieces of at most 1 MiB; each piece is valid until the next."""
    buffer = memoryview(bytearray(min(_CHUNK, max(size, 1))))
    stream.seek(0)
    left = size
    while left:
        count = stream.readinto(buffer[: min(left, _CHUNK)])  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the document ends early")
        left -= count
        yield buffer[:count]


def _check_header(stream: BinaryIO, size: int) -> None:
    if size == 0:
        raise NotAPdfError("the document is empty")
    if size > LIMITS.document_bytes:
        raise DocumentTooLargeError(f"the document is larger than {LIMITS.document_bytes} octets")
    stream.seek(0)
    if b"%PDF-" not in stream.read(_HEADER_WINDOW):
        raise NotAPdfError("there is no PDF header in the first 1,024 octets")


def _unlock(reader: PdfFileReader) -> bool:
    """Open an encrypted document with the empty password; tell whether filling in and signing are allowed."""
    if "/Encrypt" not in reader.trailer:
        return True
    try:
        result = reader.decrypt("")
    except READ_ERRORS as error:
        raise DocumentEncryptedError(f"the document's encryption cannot be opened: {error}") from error
    if result.status is AuthStatus.FAILED:
        raise DocumentEncryptedError("the document needs a password to be opened")
    if reader.security_handler is not None and reader.security_handler.pdf_mac_enabled:
        raise DocumentEncryptedError("the document is protected by an integrity code (ISO/TS 32004)")
    if result.status is AuthStatus.OWNER or result.permission_flags is None:
        return True
    return any(right in result.permission_flags for right in _SIGNING_RIGHTS)


def _doc_mdp(root: generic.DictionaryObject) -> int | None:
    permissions = entry(root, "/Perms")
    if not isinstance(permissions, generic.DictionaryObject):
        return None
    certification = entry(permissions, "/DocMDP")
    if not isinstance(certification, generic.DictionaryObject):
        return None
    for reference in elements(entry(certification, "/Reference")):
        if entry(reference, "/TransformMethod") == "/DocMDP":
            return int(entry(entry(reference, "/TransformParams", {}), "/P", 2))
    return 2


def _check_lock(field: SignatureField) -> None:
    parameters = [
        entry(reference, "/TransformParams", {})
        for reference in elements(entry(field.value, "/Reference"))
        if entry(reference, "/TransformMethod") == "/FieldMDP"
    ]
    for lock in [*parameters, *([field.lock] if isinstance(field.lock, generic.DictionaryObject) else [])]:
        if entry(lock, "/P") == 1:
            raise DocumentLockedError(f"the signature {field.name} locks the document")
        if entry(lock, "/Action") in ("/All", "/Exclude"):
            raise DocumentLockedError(f"the signature {field.name} locks all fields, new ones included")
