"""The files of signatures in a container: one root with signatures side by side (EN 319 162-1, clause 4.3.3.2)."""

from collections.abc import Collection
from typing import Final

from lxml import etree

from signing.asic.paths import folded
from signing.asic.ports import META_INF, Container, ContainerTooLargeError
from signing.limits import LIMITS
from signing.xades.builder import new_id
from signing.xades.names import ASIC_SIGNATURES
from signing.xades.ports import DataObject
from signing.xml.c14n import XmlDocument
from signing.xml.ports import XmlDamagedError
from signing.xml.reading import parse, parse_again, serialised

_SIMPLE: Final = f"{META_INF}signatures.xml"


def read_signatures(file: DataObject) -> XmlDocument:
    """Read a file of signatures of an opened container, which has bounded its size.

    Raises:
        DocumentError: it is no such file.
    """
    file.stream.seek(0)
    document = XmlDocument(parse(file.stream.read()))
    if document.root.tag != ASIC_SIGNATURES:
        raise XmlDamagedError(f"the root of {file.name} is not XAdESSignatures")
    return document


def with_signature(signature: bytes, earlier: XmlDocument | None = None) -> bytes:
    """Put a signature into a file of signatures, behind those of an earlier one.

    Both are joined as text, so that no prefix and no octet of a signature changes.

    Args:
        signature: a document whose root is the ds:Signature; canonicalised exclusively wherever it is.
        earlier: the file as it was.
    """
    if earlier is None:
        root = etree.Element(ASIC_SIGNATURES, nsmap={"asic": etree.QName(ASIC_SIGNATURES).namespace})
    else:
        root = parse_again(earlier.to_bytes()).getroot()
    marker = etree.ProcessingInstruction(new_id("place"))
    root.append(marker)
    before, behind = serialised(root.getroottree()).split(etree.tostring(marker))
    piece = etree.tostring(parse(signature), encoding="utf-8", xml_declaration=False)
    return b"".join((before, piece, behind))


def place_of(container: Container, taken: Collection[str]) -> str:
    """Return the name of the file for a new signature, given the names in META-INF.

    Raises:
        ContainerTooLargeError: all names are taken.
    """
    if container is Container.ASIC_S:
        return _SIMPLE
    known = {folded(name) for name in taken}
    for number in range(1, LIMITS.container_entries):
        name = f"{META_INF}signatures{number:03}.xml"
        if folded(name) not in known:
            return name
    raise ContainerTooLargeError("there are too many files of signatures")
