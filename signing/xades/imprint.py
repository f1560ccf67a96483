"""What the timestamps of a XAdES signature are over (EN 319 132-1, clauses 5.3 and 5.5.2.2)."""

from collections.abc import Iterator

from lxml import etree

from signing.xades.names import ds, xades
from signing.xades.references import Dereferenced, References
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
    for each in _data(references, signature):
        yield from each.parts(method)
    yield from _behind_data(references, signature, container, method)


def _data(references: References, signature: etree._Element) -> Iterator[Dereferenced]:
    for element in signature.iterfind(f"{ds('SignedInfo')}/{ds('Reference')}"):
        yield references.dereference(element, signature)


def _behind_data(
    references: References, signature: etree._Element, container: etree._Element, method: Canonicalization
) -> Iterator[bytes]:
    canonical = references.document.canonical
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
    """Hash `archive_input` (errors as there); a file that comes first and was hashed is not read again."""
    data = _data(references, signature)
    first = next(data, None)
    running = algorithm.new() if first is None else first.begun(algorithm, method)
    for each in data:
        for part in each.parts(method):
            running.update(part)
    for part in _behind_data(references, signature, container, method):
        running.update(part)
    return running.digest()
