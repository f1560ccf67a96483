"""Hardened reading of XML: no document type, no entities, no network; bounded octets, nesting, elements, attributes.

The encoding is settled here, from the byte order mark and the XML declaration alone, and the parser is given UTF-8
without declaration: two readers can never take the same octets for different characters.
"""

import re
from typing import Final

from lxml import etree

from signing.limits import LIMITS
from signing.xml.ports import XmlDamagedError, XmlForbiddenError, XmlTooLargeError

_DECLARATION: Final = re.compile(
    r"""<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')"""
    r"""(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z][A-Za-z0-9._-]*)["'])?"""
    r"""(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*["'](?:yes|no)["'])?[ \t\r\n]*\?>"""
)
_DECLARATION_WINDOW: Final = 256
_MISC: Final = re.compile(r"[ \t\r\n]+|<!--.*?-->|<\?.*?\?>", re.DOTALL)
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
_WIDE_MARKS: Final = (b"\x00\x00\xfe\xff", b"\xff\xfe\x00\x00")
_ENCODINGS: Final = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
}


def parse(data: bytes) -> etree._ElementTree:
    """Parse an XML document.

    Raises:
        XmlForbiddenError: it has a document type declaration.
        XmlTooLargeError: it exceeds a limit.
        XmlDamagedError: it is not well-formed, or its encoding is not UTF-8, UTF-16 with a byte order mark, or one of a
            few of one octet.
    """
    if len(data) > LIMITS.xml_bytes:
        raise XmlTooLargeError(f"the XML has more than {LIMITS.xml_bytes} octets")
    text = decoded(data)
    _check_prolog(text)
    _check_tags(text)
    tree = _tree(text.encode("utf-8"))
    if tree.docinfo.internalDTD is not None or tree.docinfo.externalDTD is not None:
        raise XmlForbiddenError("the XML has a document type declaration")
    _check_tree(tree.getroot())
    return tree


def parse_again(data: bytes) -> etree._ElementTree:
    """Parse what was put together of documents that `parse` returned, without the checks that they passed.

    Raises:
        XmlDamagedError, XmlTooLargeError: the parser refuses it.
    """
    return _tree(data)


def serialised(tree: etree._ElementTree) -> bytes:
    """Return a tree as a document in UTF-8, comments and processing instructions around its root included."""
    data: bytes = etree.tostring(tree, encoding="UTF-8", xml_declaration=True)
    return data


def _tree(data: bytes) -> etree._ElementTree:
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=True,
        remove_comments=False,
        remove_pis=False,
        remove_blank_text=False,
        recover=False,
    )
    try:
        return etree.fromstring(data, parser).getroottree()
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
            raise XmlTooLargeError(f"the XML is too deep or too large: {error}") from error
        raise XmlDamagedError(f"the XML is not well-formed: {error}") from error
    except ValueError as error:
        raise XmlDamagedError(f"the XML is not well-formed: {error}") from error


def decoded(data: bytes) -> str:
    """Return a document's characters without byte order mark and XML declaration.

    Raises:
        XmlDamagedError: its encoding is not read, or it is not in it.
    """
    if data.startswith(_WIDE_MARKS):
        raise XmlDamagedError("the XML is in UTF-32")
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", None))
    if encoding is None:
        declared = _declared(data[:_DECLARATION_WINDOW].decode("iso-8859-1")) or "utf-8"
        if declared not in _ENCODINGS:
            raise XmlDamagedError(f"the XML declares the encoding {declared!r}, which is not read without its mark")
        encoding = _ENCODINGS[declared]
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise XmlDamagedError(f"the XML is not in its encoding: {error}") from error
    if mark and (stated := _declared(text)) is not None and stated not in {encoding, encoding[:6]}:
        raise XmlDamagedError(f"the XML declares the encoding {stated!r} and has the mark of another")
    if (declaration := _DECLARATION.match(text)) is not None:
        text = text[declaration.end() :]
        if _begins_declared(text):
            raise XmlDamagedError("the XML has two declarations")
    if "\x00" in text:
        raise XmlDamagedError("the XML holds a null character")
    return text


def _declared(text: str) -> str | None:
    """Return the encoding that a document declares, in small letters."""
    if not _begins_declared(text):
        return None
    declaration = _DECLARATION.match(text)
    if declaration is None:
        raise XmlDamagedError("the XML declaration is malformed, or of a version other than 1.0")
    return declaration[1] and declaration[1].lower()


def _begins_declared(text: str) -> bool:
    return text.startswith("<?xml") and text[5:6] in {" ", "\t", "\r", "\n"}


def _check_prolog(text: str) -> None:
    """Refuse a document type declaration before any parser sees it; it can only stand before the root."""
    at = 0
    while (part := _MISC.match(text, at)) is not None:
        at = part.end()
    if text.startswith("<!", at):
        raise XmlForbiddenError("the XML has a document type declaration")


def _check_tags(text: str) -> None:
    """Bound what costs the parser more than linear time, before it begins."""
    if text.count("<") > 2 * LIMITS.xml_elements:
        raise XmlTooLargeError(f"the XML has more than {LIMITS.xml_elements} elements")
    if text.count("xmlns") <= LIMITS.xml_attributes:
        return
    for tag in text.split("<"):
        if len(tag) > LIMITS.xml_attributes and tag.count("xmlns") > LIMITS.xml_attributes:
            raise XmlTooLargeError(f"an element declares more than {LIMITS.xml_attributes} namespaces")


def _check_tree(root: etree._Element) -> None:
    if root.xpath("/*" * (LIMITS.xml_depth + 1)):
        raise XmlTooLargeError(f"elements are nested more than {LIMITS.xml_depth} deep")
    if root.xpath(f"boolean(//@*[{LIMITS.xml_attributes + 1}])"):
        raise XmlTooLargeError(f"an element has more than {LIMITS.xml_attributes} attributes")
    if root.xpath("count(//*)") > LIMITS.xml_elements:
        raise XmlTooLargeError(f"the XML has more than {LIMITS.xml_elements} elements")
