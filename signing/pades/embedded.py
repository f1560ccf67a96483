"""Reading the document security store, as it stood when an archive timestamp was made (EN 319 142-1, clause 5.4.2)."""

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from signing.pades.objects import elements, entry, references
from timestamping.cms import load_certificate


@dataclass(frozen=True, slots=True)
class StoreItem:
    """One stream of the store and the offset of the object that holds it."""

    key: str
    offset: int
    data: bytes


def read_store(reader: PdfFileReader) -> list[StoreItem]:
    """Return what the store holds; VRI dictionaries only repeat it and are not read.

    Raises:
        any of `READ_ERRORS`: the store is malformed.
    """
    dss = entry(reader.root, "/DSS")
    if not isinstance(dss, generic.DictionaryObject):
        return []
    return [item for key in ("/Certs", "/OCSPs", "/CRLs") for item in _items(reader, dss, key)]


def certificates(items: list[StoreItem]) -> list[x509.Certificate]:
    """Return the certificates among the items that can be read."""
    found = []
    for item in items:
        if item.key == "/Certs":
            try:
                found.append(load_certificate(item.data))
            except ValueError:
                continue
    return found


def _items(reader: PdfFileReader, dss: generic.DictionaryObject, key: str) -> Iterator[StoreItem]:
    array = entry(dss, key)
    for reference, stream in zip(references(array), elements(array), strict=True):
        if isinstance(reference, generic.IndirectObject) and isinstance(stream, generic.StreamObject):
            place = reader.xrefs[reference.reference]
            yield StoreItem(key, place if isinstance(place, int) else 0, stream.data)
