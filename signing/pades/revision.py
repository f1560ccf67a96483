"""Appending one revision to a PDF (ISO 32000-2, 7.5.6): a signature field with room for its CMS, and a DSS.

The revision is made apart from the document: nothing is copied, and what stands before stays as it is, octet by octet.
"""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import NameObject as Name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1

from signing.pades.objects import elements, entry
from signing.pades.source import PdfSource
from signing.trust.validation_data import ValidationData

_BYTE_RANGE_WIDTH = 60
_FLAGS_PRINT_LOCKED = 4 | 128
_SIGNATURES_EXIST_APPEND_ONLY = 3
_PDFA_1 = re.compile(rb"pdfaid:part\s*(?:>|=\s*[\"'])\s*1\b")
_DSS_KEYS = (("/Certs", "certificates"), ("/OCSPs", "ocsps"), ("/CRLs", "crls"))


@dataclass(frozen=True, slots=True)
class Revision:
    """An appended revision; offsets count from the start of the file."""

    base: int
    """Where the revision begins: the size of what stands before."""
    data: bytearray
    contents_start: int
    """Offset of the `<` of /Contents."""
    contents_end: int
    """Offset behind its `>`."""

    @property
    def end(self) -> int:
        """The size of the file with this revision."""
        return self.base + len(self.data)

    def covered(self) -> tuple[memoryview, memoryview]:
        """The two parts of the revision that the byte range covers."""
        view = memoryview(self.data)
        return view[: self.contents_start - self.base], view[self.contents_end - self.base :]

    def room(self) -> int:
        """Most octets of CMS that fit."""
        return (self.contents_end - self.contents_start - 2) // 2

    def fill(self, cms: bytes) -> None:
        """Write the CMS into /Contents, in hexadecimal, the rest stays zero.

        Raises:
            ValueError: it does not fit.
        """
        if len(cms) > self.room():
            raise ValueError(f"{len(cms)} octets of CMS do not fit into {self.room()}")
        start = self.contents_start - self.base + 1
        self.data[start : start + 2 * len(cms)] = cms.hex().encode("ascii")


class _Tail(io.BytesIO):
    """A buffer whose positions count from the start of the file that it will be appended to."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self._base = base

    def tell(self) -> int:
        return self._base + super().tell()


class _Contents(generic.PdfObject):
    """Room for a CMS; never encrypted (ISO 32000-2, 7.6.2)."""

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self.start = self.end = 0

    def write_to_stream(self, stream: _Tail, handler: object = None, container_ref: object = None) -> None:
        self.start = stream.tell()
        stream.write(b"<" + b"0" * (2 * self._octets) + b">")
        self.end = stream.tell()


class _ByteRange(generic.PdfObject):
    """Blanks where /ByteRange will be written once the offsets are known."""

    def __init__(self) -> None:
        self.start = 0

    def write_to_stream(self, stream: _Tail, handler: object = None, container_ref: object = None) -> None:
        self.start = stream.tell()
        stream.write(b"[" + b" " * _BYTE_RANGE_WIDTH + b"]")


class _Writer(IncrementalPdfFileWriter):
    """Changes nothing that was not asked for: no metadata, no version, no producer."""

    output_version = (1, 0)

    def _update_meta(self) -> None:
        pass


class RevisionBuilder:
    """Collects what one revision adds to a document."""

    def __init__(self, source: PdfSource) -> None:
        self._source = source
        self._writer: IncrementalPdfFileWriter = _Writer.from_reader(source.reader)
        self._contents: _Contents | None = None
        self._byte_range: _ByteRange | None = None

    def add_signature(self, octets: int, *, moment: datetime | None) -> None:
        """Add an invisible, filled signature field on the first page.

        Args:
            octets: room for the CMS.
            moment: claimed signing time for /M; None makes a document timestamp (ISO 32000-2, 12.8.5).
        """
        self._contents, self._byte_range = _Contents(octets), _ByteRange()
        is_timestamp = moment is None
        value = generic.DictionaryObject(
            {
                Name("/Type"): Name("/DocTimeStamp" if is_timestamp else "/Sig"),
                Name("/Filter"): Name("/Adobe.PPKLite"),
                Name("/SubFilter"): Name("/ETSI.RFC3161" if is_timestamp else "/ETSI.CAdES.detached"),
                Name("/ByteRange"): self._byte_range,
                Name("/Contents"): self._contents,
            }
        )
        if moment is not None:
            value[Name("/M")] = generic.pdf_date(moment)
        self._add_field(self._writer.add_object(value), "Timestamp" if is_timestamp else "Signature")
        if self._writer.output_version < (2, 0):
            self._writer.register_extension(ESIC_EXTENSION_1)

    def add_validation_data(self, data: ValidationData) -> None:
        """Extend the document security store; what stands in it stays (EN 319 142-1, 5.4.2.2), no VRI is written."""
        root = self._writer.root
        dss = entry(root, "/DSS")
        if not isinstance(dss, generic.DictionaryObject):
            dss = generic.DictionaryObject({Name("/Type"): Name("/DSS")})
            root[Name("/DSS")] = self._writer.add_object(dss)
            self._writer.update_root()
        else:
            self._writer.update_container(dss)
        for key, attribute in _DSS_KEYS:
            self._extend(dss, key, getattr(data, attribute))

    def build(self) -> Revision:
        """Write the revision.

        Raises:
            any of `READ_ERRORS`: an object of the document that has to be written anew cannot be.
        """
        tail = _Tail(self._source.size)
        self._source.stream.seek(self._source.size - 1)
        if self._source.stream.read(1) not in (b"\n", b"\r"):
            tail.write(b"\n")
        self._writer._write_updated_section(tail)
        data = bytearray(tail.getvalue())
        if self._contents is None or self._byte_range is None:
            return Revision(self._source.size, data, 0, 0)
        start, end = self._contents.start, self._contents.end
        byte_range = b"[0 %d %d %d]" % (start, end, self._source.size + len(data) - end)
        at = self._byte_range.start - self._source.size
        data[at : at + len(byte_range)] = byte_range
        data[at + len(byte_range) : at + _BYTE_RANGE_WIDTH + 2] = b" " * (_BYTE_RANGE_WIDTH + 2 - len(byte_range))
        return Revision(self._source.size, data, start, end)

    def add_form(self) -> generic.DictionaryObject:
        """Make sure that there is a form, and return it."""
        root = self._writer.root
        form = entry(root, "/AcroForm")
        if not isinstance(form, generic.DictionaryObject):
            form = generic.DictionaryObject({Name("/Fields"): generic.ArrayObject()})
            root[Name("/AcroForm")] = self._writer.add_object(form)
            self._writer.update_root()
        return form

    def _add_field(self, value: generic.IndirectObject, kind: str) -> None:
        writer, root, form = self._writer, self._writer.root, self.add_form()
        fields = _array(form, "/Fields", writer)
        page_reference = self._source.first_page()
        page = page_reference.get_object()
        widget = generic.DictionaryObject(
            {
                Name("/Type"): Name("/Annot"),
                Name("/Subtype"): Name("/Widget"),
                Name("/FT"): Name("/Sig"),
                Name("/T"): generic.pdf_string(_free_name(fields, kind)),
                Name("/V"): value,
                Name("/F"): generic.NumberObject(_FLAGS_PRINT_LOCKED),
                Name("/Rect"): generic.ArrayObject([generic.NumberObject(0)] * 4),
                Name("/P"): page_reference,
            }
        )
        if _claims_pdfa_1(root):
            widget[Name("/AP")] = generic.DictionaryObject({Name("/N"): writer.add_object(_empty_appearance())})
        field = writer.add_object(widget)
        fields.append(field)
        writer.update_container(fields)
        if entry(form, "/SigFlags") != _SIGNATURES_EXIST_APPEND_ONLY:
            form[Name("/SigFlags")] = generic.NumberObject(_SIGNATURES_EXIST_APPEND_ONLY)
            writer.update_container(form)
        annotations = _array(page, "/Annots", writer)
        annotations.append(field)
        writer.update_container(annotations)

    def _extend(self, dss: generic.DictionaryObject, key: str, items: Iterable[bytes]) -> None:
        known = {item.data for item in elements(entry(dss, key)) if isinstance(item, generic.StreamObject)}
        new = [item for item in items if item not in known]
        if not new:
            return
        array = _array(dss, key, self._writer)
        for item in new:
            array.append(self._writer.add_object(generic.StreamObject(stream_data=item)))
        self._writer.update_container(array)


def _claims_pdfa_1(root: generic.DictionaryObject) -> bool:
    """Tell whether the document's metadata claims PDF/A-1, which wants an appearance even of invisible fields."""
    metadata = entry(root, "/Metadata")
    return isinstance(metadata, generic.StreamObject) and _PDFA_1.search(metadata.data) is not None


def _empty_appearance() -> generic.StreamObject:
    """Return an appearance that draws nothing; PDF/A-1 wants one for every field (ISO 19005-1, 6.9)."""
    return generic.StreamObject(
        {
            Name("/Type"): Name("/XObject"),
            Name("/Subtype"): Name("/Form"),
            Name("/BBox"): generic.ArrayObject([generic.NumberObject(0)] * 4),
        },
        stream_data=b"",
    )


def _array(owner: generic.DictionaryObject, key: str, writer: IncrementalPdfFileWriter) -> generic.ArrayObject:
    """Return an array entry, made where it is absent."""
    array = entry(owner, key)
    if not isinstance(array, generic.ArrayObject):
        array = generic.ArrayObject()
        owner[Name(key)] = array
        writer.update_container(owner)
    return array


def _free_name(fields: generic.ArrayObject, kind: str) -> str:
    """Return a partial name that no other field at the top of the form has (ISO 32000-2, 12.7.4.2)."""
    taken = {str(entry(f, "/T")) for f in elements(fields) if isinstance(f, generic.DictionaryObject)}
    number = 1
    while f"{kind}{number}" in taken:
        number += 1
    return f"{kind}{number}"
