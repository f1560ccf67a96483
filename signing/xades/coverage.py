"""What the references of a signature cover, and the guards against signature wrapping (XMLDSig best practices, 2.1)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from lxml import etree

from signing.limits import LIMITS
from signing.xades.names import ASIC_SIGNATURES, CONTAINER, TYPE_MANIFEST, ds, xades
from signing.xades.references import NodeSet, References, UnresolvedReferenceError
from signing.xades.structure import XadesSignature, has_text, is_signed_properties


class ContentChangedError(ValueError):
    """A reference's digest does not match what it is to; the message names it."""


@dataclass(slots=True)
class Coverage:
    """What a signature's references were found to be to; every digest matched."""

    nodes: list[NodeSet] = field(default_factory=list)
    """Of the document itself, SignedProperties apart."""
    files: list[str] = field(default_factory=list)
    """URIs of files."""
    left: int = LIMITS.xml_references
    """References that may still be read."""


def check_references(references: References, signature: XadesSignature) -> Coverage:
    """Check every reference of a signature and of the manifests that it signs.

    Raises:
        ContentChangedError: a digest does not match.
        UnresolvedReferenceError: a reference cannot be processed, or SignedProperties is not what is signed as such.
    """
    coverage = Coverage()
    own = 0
    for element in signature.references():
        nodes = _check(references, signature, element, coverage)
        if is_signed_properties(element):
            if nodes is None or nodes.apex is not signature.signed_properties or nodes.without:
                raise UnresolvedReferenceError("the reference to SignedProperties is to something else")
            own += 1
        elif nodes is not None:
            coverage.nodes.append(nodes)
            if element.get("Type") == TYPE_MANIFEST:
                _check_manifest(references, signature, nodes, coverage)
    if own != 1:
        raise UnresolvedReferenceError(f"{own} references to SignedProperties instead of one")
    if not coverage.files and not any(_is_data(each) for each in coverage.nodes):
        raise UnresolvedReferenceError("no reference is to a document")
    return coverage


def in_words(root: etree._Element, coverage: Coverage) -> str:
    """Say what is covered, for a reader of the report."""
    if any(each.covers(root) for each in coverage.nodes):
        return "the whole document"
    names = [unquote(each) for each in coverage.files]
    apexes = [each.apex for each in coverage.nodes if each.apex is not None and each.apex.tag != ds("Manifest")]
    names += [each.get("Name") or each.get("Id") or etree.QName(each).localname for each in apexes]
    return ", ".join(names)


def uncovered(root: etree._Element, nodes: Iterable[NodeSet]) -> list[etree._Element]:
    """Return the parts of a document that no signature covers, though a reader would take them for signed.

    Covered must be the root; or, where the root is a signature, each of its objects; or, where it is our container,
    each of its documents; or, where it is the root of a container's signatures, what stands beside them. Signatures
    need no cover.
    """
    covering = list(nodes)
    if any(each.covers(root) for each in covering):
        return []
    if root.tag == ds("Signature"):
        parts = [each for each in root.iterfind(ds("Object")) if not _holds_properties(each)]
        return [part for part in parts if not any(_covers_part(each, part) for each in covering)]
    if root.tag == f"{{{CONTAINER}}}SignedDocuments" and not root.attrib and not has_text(root):
        parts = [each for each in root.iterchildren(etree.Element) if each.tag != ds("Signature")]
        return [part for part in parts if not any(each.covers(part) for each in covering)]
    if root.tag == ASIC_SIGNATURES and not root.attrib and not has_text(root):
        return [each for each in root.iterchildren(etree.Element) if each.tag != ds("Signature")]
    return [root]


def missed(names: Collection[str], coverage: Coverage) -> list[str]:
    """Return which of some detached files a signature does not cover."""
    covered = {unquote(each) for each in coverage.files}
    return [name for name in names if name not in covered]


def stray(signature: XadesSignature, nodes: Iterable[NodeSet]) -> list[etree._Element]:
    """Return the objects of a signature that it does not cover, the one with its qualifying properties apart."""
    covering = list(nodes)
    objects = signature.element.iterfind(ds("Object"))
    return [
        each for each in objects if not _holds_properties(each) and not any(_covers_part(n, each) for n in covering)
    ]


def _check(
    references: References, signature: XadesSignature, element: etree._Element, coverage: Coverage
) -> NodeSet | None:
    coverage.left -= 1
    if coverage.left < 0:
        raise UnresolvedReferenceError(f"there are more than {LIMITS.xml_references} references")
    reference = references.read(element)
    name = reference.uri or "the document"
    found = references.dereference(element, signature.element)
    if found.digest(reference.algorithm) != reference.value:
        raise ContentChangedError(f"{name} has been changed since it was signed")
    if found.file is not None:
        coverage.files.append(name)
    return found.nodes


def _check_manifest(references: References, signature: XadesSignature, nodes: NodeSet, coverage: Coverage) -> None:
    """XMLDSig leaves the references of a Manifest to the application: here every one must match."""
    manifest = nodes.apex
    if manifest is None or manifest.tag != ds("Manifest") or nodes.without:
        raise UnresolvedReferenceError("a reference to a Manifest is to something else")
    for element in manifest.iterfind(ds("Reference")):
        inner = _check(references, signature, element, coverage)
        if inner is not None:
            coverage.nodes.append(inner)


def _is_data(nodes: NodeSet) -> bool:
    """Tell whether it is more than a part of a signature: a manifest, keys and properties are about data."""
    line = [] if nodes.apex is None else [nodes.apex, *nodes.apex.iterancestors()]
    about = {ds("Manifest"), ds("KeyInfo"), xades("QualifyingProperties")}
    return not any(each.tag in about for each in line)


def _covers_part(nodes: NodeSet, part: etree._Element) -> bool:
    """Tell whether an object of an enveloping signature is covered, itself or as the one element in it."""
    children = list(part.iterchildren(etree.Element))
    return nodes.covers(part) or (len(children) == 1 and not has_text(part) and nodes.covers(children[0]))


def _holds_properties(element: etree._Element) -> bool:
    children = [each.tag for each in element.iterchildren(etree.Element)]
    return children == [xades("QualifyingProperties")] and not has_text(element)
