"""Putting a signature and its documents together, in each packaging (ETSI EN 319 132-1, clause 4.1)."""

import base64
from collections.abc import Sequence
from copy import deepcopy

from lxml import etree

from signing.limits import LIMITS
from signing.ports import DocumentLockedError
from signing.xades.names import BASE64, CONTAINER, ds, sub
from signing.xades.ports import DataObject, DocumentMissingError, DocumentNameError, Packaging
from signing.xades.references import Dereferenced, References, UnresolvedReferenceError
from signing.xml.c14n import XmlDocument
from signing.xml.ports import XmlTooLargeError
from signing.xml.reading import parse


def read_all(each: DataObject) -> bytes:
    """Return a document's octets.

    Raises:
        XmlTooLargeError: there are more than an XML document may have.
    """
    each.stream.seek(0)
    data = each.stream.read(LIMITS.xml_bytes + 1)
    if len(data) > LIMITS.xml_bytes:
        raise XmlTooLargeError(f"{each.name} has more than {LIMITS.xml_bytes} octets; sign it detached")
    return data


def check_objects(packaging: Packaging, objects: Sequence[DataObject]) -> None:
    """Check number and names of documents.

    Raises:
        DocumentMissingError: there is none.
        DocumentNameError: a name is unusable or occurs twice, or one document was expected.
    """
    if not objects:
        raise DocumentMissingError("there is no document to sign")
    if len(objects) > LIMITS.xml_references or (packaging is Packaging.ENVELOPED and len(objects) != 1):
        raise DocumentNameError(f"{len(objects)} documents cannot be signed {packaging}")
    names = [each.name for each in objects]
    if len(set(names)) != len(names):
        raise DocumentNameError("two documents have the same name")
    for name in names:
        if not name.isprintable() or "\\" in name or any(part in {"", ".", ".."} for part in name.split("/")):
            raise DocumentNameError(f"{name!r} is no usable name")


def compose(
    packaging: Packaging, objects: Sequence[DataObject], object_ids: Sequence[str], signature: etree._Element
) -> tuple[XmlDocument, etree._Element]:
    """Put a copy of the signature and its documents together; return the document and the signature in it.

    Raises:
        DocumentLockedError: an earlier signature does not allow another one.
        DocumentError: a document cannot be read as XML.
    """
    signature = deepcopy(signature)
    match packaging:
        case Packaging.ENVELOPED:
            document = XmlDocument(parse(read_all(objects[0])))
            _check_not_locked(document)
            document.root.append(signature)
        case Packaging.ENVELOPING:
            _add_payloads(signature, objects, object_ids)
            document = XmlDocument(signature.getroottree())
        case Packaging.INTERNALLY_DETACHED:
            document = XmlDocument(_container(objects, object_ids, signature))
        case Packaging.DETACHED | Packaging.MANIFEST:
            document = XmlDocument(signature.getroottree())
    return document, signature


def _add_payloads(signature: etree._Element, objects: Sequence[DataObject], object_ids: Sequence[str]) -> None:
    total = 0
    for each, identifier in zip(objects, object_ids, strict=True):
        data = read_all(each)
        total += len(data) * 4 // 3
        if total > LIMITS.xml_bytes:
            raise XmlTooLargeError(f"the documents have more than {LIMITS.xml_bytes} octets; sign them detached")
        attributes = {"Id": identifier, "MimeType": each.mime_type, "Encoding": BASE64}
        sub(signature, ds("Object"), base64.b64encode(data).decode("ascii"), **attributes)


def _container(
    objects: Sequence[DataObject], object_ids: Sequence[str], signature: etree._Element
) -> etree._ElementTree:
    root = etree.Element(f"{{{CONTAINER}}}SignedDocuments", nsmap={"fts": CONTAINER})
    for each, identifier in zip(objects, object_ids, strict=True):
        attributes = {"Id": identifier, "Name": each.name, "MimeType": each.mime_type}
        place = sub(root, f"{{{CONTAINER}}}Document", **attributes)
        inner = parse(read_all(each)).getroot()
        before, behind = list(inner.itersiblings(preceding=True)), list(inner.itersiblings())
        for node in (*reversed(before), inner, *behind):
            place.append(node)
    root.append(signature)
    return root.getroottree()


def _check_not_locked(document: XmlDocument) -> None:
    """Refuse where an earlier signature covers the place in which the new one will stand."""
    if document.root.tag == ds("Signature"):
        raise DocumentLockedError("the document is itself a signature; sign it detached")
    references = References(document)
    for earlier in document.root.iter(ds("Signature")):
        for element in earlier.iterfind(f"{ds('SignedInfo')}/{ds('Reference')}"):
            uri = element.get("URI")
            if uri is None or (uri and not uri.startswith("#")):
                continue
            try:
                found = references.dereference(element, earlier)
            except UnresolvedReferenceError as error:
                raise DocumentLockedError(f"an earlier signature cannot be read: {error}") from error
            if _locks(found, document):
                raise DocumentLockedError("an earlier signature covers all of the document, further signatures too")


def _locks(found: Dereferenced, document: XmlDocument) -> bool:
    nodes = found.nodes
    return nodes is not None and nodes.apex in {None, document.root} and not nodes.without_signatures
