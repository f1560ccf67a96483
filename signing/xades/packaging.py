"""Putting a signature and its documents together, in each packaging (ETSI EN 319 132-1, clause 4.1)."""

import base64
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy

from lxml import etree

from signing.limits import LIMITS
from signing.ports import DocumentLockedError
from signing.xades.builder import DEFAULT_NAMESPACE, new_id
from signing.xades.names import BASE64, CONTAINER, ds, sub
from signing.xades.ports import DataObject, DocumentMissingError, DocumentNameError, Packaging
from signing.xades.references import Dereferenced, References, UnresolvedReferenceError
from signing.xml.c14n import XmlDocument
from signing.xml.ports import XmlTooLargeError
from signing.xml.reading import decoded, parse, serialised

_DECLARATION = re.compile(r"\bxmlns(?::([\w.\-\u0080-\ufffd\U00010000-\U0010ffff]+))?\s*=", re.ASCII)


def contents(packaging: Packaging, objects: Sequence[DataObject]) -> list[bytes]:
    """Return the octets of documents that become part of the signed one; none where they stay files of their own.

    Raises:
        XmlTooLargeError: there are more than an XML document may have.
    """
    if packaging.is_detached:
        return []
    read = []
    left = LIMITS.xml_bytes
    for each in objects:
        each.stream.seek(0)
        data = each.stream.read(left + 1)
        left -= len(data)
        if left < 0:
            raise XmlTooLargeError(f"up to {each.name} there are more than {LIMITS.xml_bytes} octets; sign detached")
        read.append(data)
    return read


def declared_prefixes(packaging: Packaging, octets: Sequence[bytes]) -> list[tuple[str, ...]]:
    """Return the prefixes that each document declares, sorted, where it is canonicalised.

    What only looks like a declaration is there, too: it does no harm in a PrefixList.

    Raises:
        XmlTooLargeError: a document has more than may be listed.
        DocumentError: a document cannot be read as XML.
    """
    if packaging not in {Packaging.ENVELOPED, Packaging.INTERNALLY_DETACHED}:
        return [() for _ in octets]
    found = [set(_DECLARATION.findall(decoded(data))) for data in octets]
    if any(len(names) > LIMITS.xml_prefixes for names in found):
        raise XmlTooLargeError(f"the document declares more than {LIMITS.xml_prefixes} prefixes; sign it detached")
    return [tuple(sorted(name or DEFAULT_NAMESPACE for name in names)) for names in found]


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
    packaging: Packaging,
    objects: Sequence[DataObject],
    octets: Sequence[bytes],
    object_ids: Sequence[str],
    signature: etree._Element,
) -> tuple[XmlDocument, etree._Element]:
    """Put a copy of the signature and its documents together; return the document and the signature in it.

    Args:
        packaging: how.
        objects: the documents; their streams are not read.
        octets: their `contents`.
        object_ids: identifiers of the elements that hold them.
        signature: the signature.

    Raises:
        DocumentLockedError: an earlier signature does not allow another one.
        DocumentError: a document cannot be read as XML.
    """
    match packaging:
        case Packaging.ENVELOPED:
            before = XmlDocument(parse(octets[0]))
            _check_not_locked(before)
            marker = _marker()
            before.root.append(marker)
            document = _replaced(before.tree, {marker: signature.getroottree()})
        case Packaging.INTERNALLY_DETACHED:
            document = _container(objects, octets, object_ids, signature)
        case Packaging.ENVELOPING | Packaging.DETACHED | Packaging.MANIFEST:
            copy = deepcopy(signature)
            if packaging is Packaging.ENVELOPING:
                _add_payloads(copy, objects, octets, object_ids)
            document = XmlDocument(copy.getroottree())
    return document, _with_id(document.root, signature.get("Id"))


def _with_id(root: etree._Element, identifier: str) -> etree._Element:
    return next(each for each in root.iter(ds("Signature")) if each.get("Id") == identifier)


def _marker() -> etree._Element:
    return etree.ProcessingInstruction(new_id("place"))


def _replaced(tree: etree._ElementTree, pieces: Mapping[etree._Element, etree._ElementTree]) -> XmlDocument:
    """Put documents into the places of markers, as text: moved as trees, lxml would give them other prefixes."""
    data = serialised(tree)
    for marker, piece in pieces.items():
        before, behind = data.split(etree.tostring(marker, with_tail=False))
        data = b"".join((before, etree.tostring(piece, encoding="utf-8", xml_declaration=False), behind))
    return XmlDocument.joined(data)


def _add_payloads(
    signature: etree._Element, objects: Sequence[DataObject], octets: Sequence[bytes], object_ids: Sequence[str]
) -> None:
    if sum(len(data) for data in octets) * 4 // 3 > LIMITS.xml_bytes:
        raise XmlTooLargeError(f"in base64 the documents have more than {LIMITS.xml_bytes} octets; sign them detached")
    for each, data, identifier in zip(objects, octets, object_ids, strict=True):
        attributes = {"Id": identifier, "MimeType": each.mime_type, "Encoding": BASE64}
        sub(signature, ds("Object"), base64.b64encode(data).decode("ascii"), **attributes)


def _container(
    objects: Sequence[DataObject], octets: Sequence[bytes], object_ids: Sequence[str], signature: etree._Element
) -> XmlDocument:
    root = etree.Element(f"{{{CONTAINER}}}SignedDocuments", nsmap={"fts": CONTAINER})
    pieces: dict[etree._Element, etree._ElementTree] = {}
    for each, data, identifier in zip(objects, octets, object_ids, strict=True):
        attributes = {"Id": identifier, "Name": each.name, "MimeType": each.mime_type}
        marker = _marker()
        sub(root, f"{{{CONTAINER}}}Document", **attributes).append(marker)
        pieces[marker] = parse(data)
    marker = _marker()
    root.append(marker)
    return _replaced(root.getroottree(), {**pieces, marker: signature.getroottree()})


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
