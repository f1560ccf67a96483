"""Debian's libxml2 through cffi: what `lxml` does not offer of canonicalisation.

lxml carries a libxml2 of its own; a pointer of one copy means nothing to the other, so documents cross as octets.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import cffi

from signing.xml.ports import XmlEngineMissingError

_DECLARATIONS: Final = """
typedef struct _xmlDoc xmlDoc;
typedef struct _xmlNode xmlNode;
struct _xmlNode {
    void *_private; int type; const unsigned char *name;
    xmlNode *children; xmlNode *last; xmlNode *parent; xmlNode *next; xmlNode *prev;
    xmlDoc *doc;
};
struct _xmlDoc {
    void *_private; int type; char *name;
    xmlNode *children; xmlNode *last; xmlNode *parent; xmlNode *next; xmlNode *prev;
    xmlDoc *doc;
};
typedef struct _xmlOutputBuffer xmlOutputBuffer;
typedef int (*xmlC14NIsVisibleCallback)(void *, xmlNode *, xmlNode *);
typedef void (*xmlStructuredErrorFunc)(void *, void *);
void xmlInitParser(void);
void xmlSetStructuredErrorFunc(void *, xmlStructuredErrorFunc);
xmlDoc *xmlReadMemory(const char *, int, const char *, const char *, int);
void xmlFreeDoc(xmlDoc *);
xmlOutputBuffer *xmlAllocOutputBuffer(void *);
const unsigned char *xmlOutputBufferGetContent(xmlOutputBuffer *);
size_t xmlOutputBufferGetSize(xmlOutputBuffer *);
int xmlOutputBufferClose(xmlOutputBuffer *);
int xmlC14NExecute(xmlDoc *, xmlC14NIsVisibleCallback, void *, int, unsigned char **, int, xmlOutputBuffer *);
"""
_NAME: Final = "libxml2.so.2"
# XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_HUGE, never NOENT or DTDLOAD
_OPTIONS: Final = 1 << 5 | 1 << 6 | 1 << 11 | 1 << 14 | 1 << 19

ELEMENT: Final = 1
_EXCLUSIVE: Final = 1
_COUNTED: Final = frozenset({ELEMENT, 7, 8})
"""Elements, processing instructions and comments: what lxml counts as children."""

Node = Any
"""A pointer to an xmlNode of this library."""


class Libxml2Error(ValueError):
    """The library could not read or canonicalise; its messages are not kept."""


@lru_cache(maxsize=1)
def _library() -> tuple[Any, Any, Any]:
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    try:
        library = ffi.dlopen(_NAME)
    except OSError as error:
        raise XmlEngineMissingError(f"{_NAME} cannot be loaded: {error}") from error
    library.xmlInitParser()

    @ffi.callback("xmlStructuredErrorFunc")  # type: ignore[untyped-decorator,unused-ignore]
    def ignore(_context: Any, _error: Any) -> None:
        """Keep the library from writing to standard error."""

    return ffi, library, ignore


def load() -> None:
    """Load the library, which takes 50 ms once, before processes are forked that use it.

    Raises:
        XmlEngineMissingError: it is not installed.
    """
    _library()


class Document:
    """A document in the library's own tree, for one thread."""

    def __init__(self, data: bytes) -> None:
        """Parse UTF-8 that a hardened reader has passed.

        Raises:
            Libxml2Error: it is not well-formed.
        """
        self._ffi, self._library, ignore = _library()
        self._library.xmlSetStructuredErrorFunc(self._ffi.NULL, ignore)
        document = self._library.xmlReadMemory(data, len(data), self._ffi.NULL, b"UTF-8", _OPTIONS)
        if document == self._ffi.NULL:
            raise Libxml2Error("libxml2 cannot read the document")
        self._document = self._ffi.gc(document, self._library.xmlFreeDoc, size=len(data))
        self._checked: set[Node] = set()

    def root(self) -> Node:
        """Return the root element."""
        node = self._document.children
        while node.type != ELEMENT:
            node = node.next
        return node

    def child(self, parent: Node, position: int, from_end: bool) -> Node:
        """Return the child of an element at a position among its elements, comments and instructions, from an end."""
        left = position
        node = parent.last if from_end else parent.children
        while node != self._ffi.NULL:
            if node.type in _COUNTED:
                if not left:
                    return node
                left -= 1
            node = node.prev if from_end else node.next
        raise Libxml2Error("the trees of the two readers differ")

    def name(self, node: Node) -> str:
        """Return an element's local name."""
        return bytes(self._ffi.string(node.name)).decode("utf-8")

    def canonical(
        self, apex: Node | None, hidden: list[Node], mode: int, prefixes: list[str], *, with_comments: bool
    ) -> bytes:
        """Return the canonical form of an element with all below it, or of the document, without the hidden elements.

        Args:
            apex: the element, None for the whole document.
            hidden: elements that do not belong to the node set, with all below them.
            mode: 0 for C14N 1.0, 1 for exclusive, 2 for C14N 1.1.
            prefixes: the PrefixList, for exclusive; the empty string is the default namespace.
            with_comments: whether comments are kept.

        Raises:
            Libxml2Error: there is no canonical form.
        """
        undo: list[Callable[[], None]] = []
        try:
            for node in hidden:
                self._take_out(node, undo)
            if apex is None:
                return self._execute(self._ffi.NULL, mode, prefixes, with_comments)
            if mode == _EXCLUSIVE:
                self._check_above(apex)
                self._make_root(apex, undo)
                return self._execute(self._ffi.NULL, mode, prefixes, with_comments)
            above = self._leave_only(apex, undo)
            return self._execute(self._visible(apex, above), mode, prefixes, with_comments)
        finally:
            for step in reversed(undo):
                step()

    def _execute(self, visible: Any, mode: int, prefixes: list[str], with_comments: bool) -> bytes:
        names = [self._ffi.new("unsigned char[]", (p or "#default").encode("utf-8")) for p in prefixes]
        array = self._ffi.new("unsigned char *[]", [*names, self._ffi.NULL]) if names else self._ffi.NULL
        buffer = self._library.xmlAllocOutputBuffer(self._ffi.NULL)
        try:
            done = self._library.xmlC14NExecute(
                self._document, visible, self._ffi.NULL, mode, array, with_comments, buffer
            )
            if done < 0:
                raise Libxml2Error("libxml2 finds no canonical form")
            size = self._library.xmlOutputBufferGetSize(buffer)
            content = self._library.xmlOutputBufferGetContent(buffer)
            return bytes(self._ffi.buffer(content, size))
        finally:
            self._library.xmlOutputBufferClose(buffer)

    def _visible(self, apex: Node, above: set[Node]) -> Any:
        def is_visible(_data: Any, node: Node, parent: Node) -> int:
            return int(node == apex or parent not in above)

        return self._ffi.callback("xmlC14NIsVisibleCallback", is_visible, error=-1)

    def _check_above(self, apex: Node) -> None:
        """Refuse an element below one that has no canonical form, for instance a relative namespace."""
        parent = apex.parent
        if parent == self._document or parent in self._checked:
            return
        undo: list[Callable[[], None]] = []
        try:
            self._leave_only(parent, undo)
            _set(parent, undo, children=self._ffi.NULL, last=self._ffi.NULL)
            self._execute(self._ffi.NULL, _EXCLUSIVE, [], False)
        finally:
            for step in reversed(undo):
                step()
        self._checked.add(parent)

    def _make_root(self, apex: Node, undo: list[Callable[[], None]]) -> None:
        """Let the tree begin with an element, which still finds the namespaces above it, but inherits no attributes."""
        _set(self._document, undo, children=apex, last=apex)
        _set(apex, undo, next=self._ffi.NULL, prev=self._ffi.NULL)

    def _leave_only(self, apex: Node, undo: list[Callable[[], None]]) -> set[Node]:
        """Cut everything off the tree but an element and its ancestors; return the ancestors and the document."""
        above = {self._document}
        node = apex
        while True:
            is_root = node.parent == self._document
            parent = self._document if is_root else node.parent
            _set(parent, undo, children=node, last=node)
            _set(node, undo, next=self._ffi.NULL, prev=self._ffi.NULL)
            above.add(parent)
            if is_root:
                return above
            node = parent

    def _take_out(self, node: Node, undo: list[Callable[[], None]]) -> None:
        before, behind, parent = node.prev, node.next, node.parent
        if before == self._ffi.NULL:
            _set(parent, undo, children=behind)
        else:
            _set(before, undo, next=behind)
        if behind == self._ffi.NULL:
            _set(parent, undo, last=before)
        else:
            _set(behind, undo, prev=before)


def _set(node: Node, undo: list[Callable[[], None]], **values: Any) -> None:
    """Set pointers of a node and remember how to set them back."""
    for field, value in values.items():
        old = getattr(node, field)

        def back(field: str = field, old: Any = old) -> None:
            setattr(node, field, old)

        undo.append(back)
        setattr(node, field, value)
