"""What the timestamps of a XAdES signature are over (EN 319 132-1, clauses 5.3 and 5.5.2.2)."""

from collections.abc import Iterator

from lxml import etree

from signing.xades.names import ds, xades
from signing.xades.references import References
from signing.xml.ports import Canonicalization
from timestamping.algorithms import DigestAlgorithm


def signature_input(references: References, signature: etree._Element, method: Canonicalization) -> bytes:
    """Return what a SignatureTimeStamp is over: the canonical form of ds:SignatureValue, the element."""
    return references.document.canonical(signature.find(ds("SignatureValue")), method)


def archive_input(
    references: References, signature: etree._Element, container: etree._Element, method: Canonicalization
) -> Iterator[bytes]:
    """Yield what a xades141:ArchiveTimeStamp is over, not distributed, in order.

    Args:
        references: resolves the signature's references; detached files must be at hand.
        signature: the signature.
        container: the ArchiveTimeStamp; what stands before it counts.
        method: the container's canonicalisation.

    Raises:
        UnresolvedReferenceError: a reference cannot be resolved.
    """
    canonical = references.document.canonical
    for element in signature.iterfind(f"{ds('SignedInfo')}/{ds('Reference')}"):
        yield from references.dereference(element, signature).parts(method)
    for name in ("SignedInfo", "SignatureValue", "KeyInfo"):
        element = signature.find(ds(name))
        if element is not None:
            yield canonical(element, method)
    for element in container.getparent().iterchildren(etree.Element):
        if element is container:
            break
        yield canonical(element, method)
    for element in signature.iterfind(ds("Object")):
        if element.find(xades("QualifyingProperties")) is None:
            yield canonical(element, method)


def archive_digest(
    references: References,
    signature: etree._Element,
    container: etree._Element,
    method: Canonicalization,
    algorithm: DigestAlgorithm,
) -> bytes:
    """Hash `archive_input` (errors as there)."""
    running = algorithm.new()
    for part in archive_input(references, signature, container, method):
        running.update(part)
    return running.digest()
