"""The reference processing model of XMLDSig (XMLDSig 1.1, clause 4.4.3), for the transforms that are known.

Known: enveloped-signature, Filter 2 and XPath in the one form that takes out every signature, base64, and the six
canonicalisations. XSLT and any other XPath are refused, nothing is fetched: files are those that the caller gives.
"""

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final
from urllib.parse import quote, unquote

from lxml import etree

from signing.xades.names import BASE64, ENVELOPED, EXCLUSIVE_PREFIXES, FILTER2, NAMESPACES, XPATH, digest_from, ds
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization
from timestamping.algorithms import DigestAlgorithm, RunningHash

CHUNK: Final = 1 << 20
_WITH_ID: Final = etree.XPath(
    "//@*[. = $identifier][name() = 'Id' or name() = 'ID' or name() = 'id' or name() = 'xml:id']/.."
)
_ALL_SIGNATURES: Final = re.compile(r"/descendant::(\w+):Signature|//(\w+):Signature")
_WITHOUT_COMMENTS: Final = {
    Canonicalization.C14N_10_COMMENTS: Canonicalization.C14N_10,
    Canonicalization.C14N_11_COMMENTS: Canonicalization.C14N_11,
    Canonicalization.EXCLUSIVE_COMMENTS: Canonicalization.EXCLUSIVE,
}
_NO_SIGNATURE: Final = re.compile(r"not\(ancestor-or-self::(\w+):Signature\)")

Files = Mapping[str, BinaryIO]
"""Detached files by name: the reference's URI, decoded."""


class UnresolvedReferenceError(ValueError):
    """A reference cannot be processed; the message says why."""


@dataclass(frozen=True, slots=True)
class NodeSet:
    """An element or the whole document, without some elements."""

    apex: etree._Element | None
    """None for the document."""
    without: tuple[etree._Element, ...] = ()
    without_signatures: bool = False
    """Whether every signature is left out, also one that is added later."""

    def covers(self, element: etree._Element) -> bool:
        """Tell whether an element of the document belongs to it."""
        line = [element, *element.iterancestors()]
        return (self.apex is None or self.apex in line) and not any(each in line for each in self.without)


@dataclass(frozen=True, slots=True)
class Dereferenced:
    """What a reference stands for, after its transforms."""

    document: XmlDocument
    nodes: NodeSet | None = None
    """The node set before canonicalisation, where the reference is to this document."""
    form: tuple[Canonicalization, tuple[str, ...]] | None = None
    """The algorithm and PrefixList by which a transform canonicalises the node set."""
    octets: bytes | None = None
    file: BinaryIO | None = None
    """A detached file, read as it is."""
    hashes: dict[DigestAlgorithm, RunningHash] = field(default_factory=dict)
    """Of its octets, as far as they were hashed; unused where they depend on who asks."""

    def digest(self, algorithm: DigestAlgorithm) -> bytes:
        """Hash it; a node set is canonicalised by C14N 1.0 (XMLDSig 1.1, clause 4.4.3.2)."""
        return self.begun(algorithm, Canonicalization.C14N_10).digest()

    def begun(self, algorithm: DigestAlgorithm, method: Canonicalization) -> RunningHash:
        """Return a hash of it that can go on; where no transform canonicalises a node set, `method` does."""
        if algorithm in self.hashes:
            return self.hashes[algorithm].copy()
        running = algorithm.new()
        for part in self.parts(method):
            running.update(part)
        if not self.needs_method:
            self.hashes[algorithm] = running.copy()
        return running

    @property
    def needs_method(self) -> bool:
        """Whether it has no octets until somebody names a canonicalisation."""
        return self.file is None and self.octets is None and self.form is None

    def parts(self, method: Canonicalization) -> Iterator[bytes]:
        """Yield its octets; where no transform canonicalises a node set, `method` does."""
        if self.file is not None:
            self.file.seek(0)
            while chunk := self.file.read(CHUNK):
                yield chunk
        elif self.octets is not None:
            yield self.octets
        elif self.nodes is not None:
            stated, prefixes = self.form or (method, ())
            yield self.document.canonical(
                self.nodes.apex, _silent(stated), without=self.nodes.without, prefixes=prefixes
            )


@dataclass(frozen=True, slots=True)
class Reference:
    """A ds:Reference of a SignedInfo or a Manifest."""

    element: etree._Element
    uri: str | None
    type: str | None
    id: str | None
    algorithm: DigestAlgorithm
    value: bytes


@dataclass(slots=True)
class References:
    """Resolves the references of one document."""

    document: XmlDocument
    files: Files = field(default_factory=dict)
    hashes: dict[str, dict[DigestAlgorithm, RunningHash]] = field(default_factory=dict)
    """Of the files that were read through, by their names."""
    _inside: dict[etree._Element, dict[DigestAlgorithm, RunningHash]] = field(default_factory=dict)
    """Of references into the document, as it is at `_version`."""
    _identified: dict[str, etree._Element] = field(default_factory=dict)
    """Elements by their identifiers, as far as they were looked for in that version."""
    _version: int = 0

    def read(self, element: etree._Element) -> Reference:
        """Read a ds:Reference.

        Raises:
            UnresolvedReferenceError: it is malformed, or its digest algorithm is not accepted.
        """
        try:
            algorithm = digest_from(_only(element, "DigestMethod").get("Algorithm"))
            value = base64.b64decode(_text(_only(element, "DigestValue")), validate=True)
        except (ValueError, binascii.Error) as error:
            raise UnresolvedReferenceError(f"malformed reference: {error}") from error
        return Reference(element, element.get("URI"), element.get("Type"), element.get("Id"), algorithm, value)

    def by_id(self, identifier: str) -> etree._Element:
        """Return the element with an identifier.

        Raises:
            UnresolvedReferenceError: there is none, or several have it.
        """
        self._forget_older()
        if identifier not in self._identified:
            found: list[etree._Element] = _WITH_ID(self.document.root, identifier=identifier)
            if len(found) != 1:
                raise UnresolvedReferenceError(f"{len(found)} elements have the identifier {identifier!r}")
            self._identified[identifier] = found[0]
        return self._identified[identifier]

    def dereference(self, element: etree._Element, signature: etree._Element) -> Dereferenced:
        """Return what a ds:Reference of a signature stands for.

        Raises:
            UnresolvedReferenceError: it leads nowhere, or has a transform that is not known.
        """
        uri = element.get("URI")
        if uri is None:
            raise UnresolvedReferenceError("a reference without URI is not read")
        transforms = element.findall(f"{ds('Transforms')}/{ds('Transform')}")
        if not uri.startswith("#") and uri:
            if transforms:
                raise UnresolvedReferenceError(f"transforms of the file {uri!r} are not read")
            hashes = self.hashes.setdefault(unquote(uri), {})
            return Dereferenced(self.document, file=self._file(uri), hashes=hashes)
        self._forget_older()
        nodes = NodeSet(self.by_id(uri[1:]) if uri else None)
        found = Dereferenced(self.document, nodes=nodes, hashes=self._inside.setdefault(element, {}))
        for transform in transforms:
            found = self._transformed(found, transform, signature)
        return found

    def _forget_older(self) -> None:
        if self._version != self.document.version:
            self._version = self.document.version
            self._inside.clear()
            self._identified.clear()

    def _file(self, uri: str) -> BinaryIO:
        file = self.files.get(unquote(uri))
        if file is None:
            raise UnresolvedReferenceError(f"the file {unquote(uri)!r} is not at hand")
        return file

    def _transformed(self, found: Dereferenced, transform: etree._Element, signature: etree._Element) -> Dereferenced:
        algorithm = transform.get("Algorithm")
        nodes = found.nodes
        if nodes is None or not found.needs_method:
            raise UnresolvedReferenceError("a transform follows one whose result is octets")
        if algorithm == ENVELOPED:
            return replace(found, nodes=replace(nodes, without=(*nodes.without, signature)))
        if algorithm in {FILTER2, XPATH}:
            _check_takes_out_signatures(transform, algorithm)
            signatures = tuple(self.document.root.iter(ds("Signature")))
            return replace(found, nodes=NodeSet(nodes.apex, (*nodes.without, *signatures), True))
        if algorithm == BASE64:
            apex = nodes.apex
            if apex is None or nodes.without or apex.tag != ds("Object") or apex.find("*") is not None:
                raise UnresolvedReferenceError("base64 is read from an Object without elements only")
            text = "".join(apex.xpath("string()").split())
            try:
                return replace(found, octets=base64.b64decode(text, validate=True))
            except ValueError as error:
                raise UnresolvedReferenceError(f"the element holds no base64: {error}") from error
        return replace(found, form=canonicalization(transform))


def canonicalization(element: etree._Element) -> tuple[Canonicalization, tuple[str, ...]]:
    """Return the algorithm that a Transform or CanonicalizationMethod names, and its PrefixList.

    Raises:
        UnresolvedReferenceError: it is none of the six.
    """
    try:
        method = Canonicalization(element.get("Algorithm", ""))
    except ValueError as error:
        raise UnresolvedReferenceError(f"the algorithm {element.get('Algorithm')} is not read") from error
    listed = element.find(EXCLUSIVE_PREFIXES)
    names = [] if listed is None else listed.get("PrefixList", "").split()
    return method, tuple("" if name == "#default" else name for name in names)


def hashes_of(file: BinaryIO, algorithms: Collection[DigestAlgorithm]) -> dict[DigestAlgorithm, RunningHash]:
    """Hash a file by each algorithm, reading it through once."""
    running = {each: each.new() for each in algorithms}
    file.seek(0)
    while chunk := file.read(CHUNK):
        for each in running.values():
            each.update(chunk)
    return running


def file_uri(name: str) -> str:
    """Return a file name as relative reference, percent-encoded per segment (RFC 3986, clause 4.2)."""
    return "/".join(quote(segment, safe="") for segment in name.split("/"))


def _silent(method: Canonicalization) -> Canonicalization:
    """A reference into the same document leaves out comments, whatever the algorithm (XMLDSig 1.1, 4.4.3.3)."""
    return _WITHOUT_COMMENTS.get(method, method)


def _check_takes_out_signatures(transform: etree._Element, algorithm: str) -> None:
    child = transform[0] if len(transform) == 1 else None
    name = f"{{{FILTER2}}}XPath" if algorithm == FILTER2 else ds("XPath")
    if child is None or child.tag != name or len(child):
        raise UnresolvedReferenceError("a transform by XPath is malformed")
    form = _ALL_SIGNATURES if algorithm == FILTER2 else _NO_SIGNATURE
    match = form.fullmatch("".join((child.text or "").split()))
    prefix = match and (match[1] or match[match.lastindex or 1])
    if prefix is None or child.nsmap.get(prefix) != NAMESPACES["ds"]:
        raise UnresolvedReferenceError("a transform by XPath does something else than to take out the signatures")
    if algorithm == FILTER2 and child.get("Filter") != "subtract":
        raise UnresolvedReferenceError("a filter does not take out the signatures")


def _only(parent: etree._Element, name: str) -> etree._Element:
    found: list[etree._Element] = parent.findall(ds(name))
    if len(found) != 1:
        raise ValueError(f"{len(found)} elements {name} instead of one")
    return found[0]


def _text(element: etree._Element) -> bytes:
    if len(element):
        raise ValueError("an element stands where text is expected")
    return "".join((element.text or "").split()).encode("ascii")
