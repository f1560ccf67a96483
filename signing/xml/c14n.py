"""Canonical XML 1.0 and 1.1 and Exclusive XML Canonicalization over node sets, by libxml2 (W3C).

lxml's own inclusive form of an element drops inherited `xml:` attributes and loses namespaces, and it has no 1.1. So
one engine does all of it: the tree is written out, read by Debian's libxml2, and canonicalised there.
"""

from collections.abc import Collection
from typing import Final

from lxml import etree

from signing.xml import libxml2
from signing.xml.ports import Canonicalization, CanonicalizationError
from signing.xml.reading import parse, parse_again, serialised

_MODES: Final = {
    Canonicalization.C14N_10: 0,
    Canonicalization.C14N_10_COMMENTS: 0,
    Canonicalization.EXCLUSIVE: 1,
    Canonicalization.EXCLUSIVE_COMMENTS: 1,
    Canonicalization.C14N_11: 2,
    Canonicalization.C14N_11_COMMENTS: 2,
}


class XmlDocument:
    """A document that can be changed with lxml and canonicalised with libxml2."""

    def __init__(self, tree: etree._ElementTree) -> None:
        """Take a tree that `parse` returned."""
        self.tree = tree
        self._twin: libxml2.Document | None = None
        self._written: bytes | None = None
        self.version = 0
        """Grows with each change."""

    @classmethod
    def joined(cls, data: bytes) -> "XmlDocument":
        """Read what was put together of trees that were written out (errors as `signing.xml.reading.parse_again`)."""
        document = cls(parse_again(data))
        document._written = data
        return document

    @classmethod
    def read(cls, data: bytes) -> "XmlDocument":
        """Parse a document (errors as `signing.xml.reading.parse`)."""
        return cls(parse(data))

    @property
    def root(self) -> etree._Element:
        """The root element."""
        return self.tree.getroot()

    def changed(self) -> None:
        """Say that the tree was changed; every change must be followed by this before the next canonical form."""
        self._twin = None
        self._written = None
        self.version += 1

    def to_bytes(self) -> bytes:
        """Return the document in UTF-8."""
        return serialised(self.tree)

    def canonical(
        self,
        element: etree._Element | None,
        method: Canonicalization,
        *,
        without: Collection[etree._Element] = (),
        prefixes: Collection[str] = (),
    ) -> bytes:
        """Return the canonical form of an element in its place, with all below it.

        Args:
            element: the element; None for the document with the comments and instructions around its root.
            method: the algorithm.
            without: elements of the same document that are taken out first, with all below them.
            prefixes: the PrefixList of exclusive canonicalisation; the empty string is the default namespace.

        Raises:
            CanonicalizationError: there is no canonical form.
        """
        try:
            if self._twin is None:
                self._twin = libxml2.Document(self._written or serialised(self.tree))
                self._written = None
            apex = None if element is None else self._node(element)
            hidden = [self._node(each) for each in _outermost(without)]
            return self._twin.canonical(
                apex,
                hidden,
                _MODES[method],
                list(prefixes) if method.is_exclusive else [],
                with_comments=method.with_comments,
            )
        except libxml2.Libxml2Error as error:
            raise CanonicalizationError(str(error)) from error

    def _node(self, element: etree._Element) -> libxml2.Node:
        if self._twin is None or element.getroottree().getroot() is not self.root:
            raise CanonicalizationError("the element does not belong to the document")
        parent = element.getparent()
        node = self._twin.root() if parent is None else self._twin.child(self._node(parent), *_place(element, parent))
        if self._twin.name(node) != etree.QName(element).localname:
            raise CanonicalizationError("the trees of the two readers differ")
        return node


def _place(element: etree._Element, parent: etree._Element) -> tuple[int, bool]:
    """Return how many children stand between an element and an end of its parent, and whether it is the last end."""
    if element.getnext() is None:
        return 0, True
    position, count = parent.index(element), len(parent)
    return (position, False) if position <= count // 2 else (count - 1 - position, True)


def _outermost(elements: Collection[etree._Element]) -> list[etree._Element]:
    """Leave out elements that occur again or stand below others of the collection."""
    return [each for each in dict.fromkeys(elements) if not any(above in elements for above in each.iterancestors())]
