"""What callers see of the XML layer: the algorithms of canonicalisation, and the errors that it raises."""

from enum import StrEnum

from signing.ports import DocumentDamagedError, DocumentError, SigningError


class Canonicalization(StrEnum):
    """The canonicalisation algorithms that XML signatures use; the value is the algorithm's URI."""

    C14N_10 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
    C14N_10_COMMENTS = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"
    C14N_11 = "http://www.w3.org/2006/12/xml-c14n11"
    C14N_11_COMMENTS = "http://www.w3.org/2006/12/xml-c14n11#WithComments"
    EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
    EXCLUSIVE_COMMENTS = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"

    @property
    def with_comments(self) -> bool:
        """Whether comments belong to the canonical form."""
        return self.endswith("WithComments")

    @property
    def is_exclusive(self) -> bool:
        """Whether it is Exclusive XML Canonicalization 1.0."""
        return self in {Canonicalization.EXCLUSIVE, Canonicalization.EXCLUSIVE_COMMENTS}


class XmlDamagedError(DocumentDamagedError):
    """The octets are no well-formed XML, or in an encoding that is not read."""

    code = "XML_DAMAGED"
    remedy = "Save the document anew as well-formed XML in UTF-8, then try again."


class XmlForbiddenError(DocumentError):
    """The XML has a document type declaration, which may hide or fetch content."""

    code = "XML_DOCTYPE"
    remedy = "Remove the document type declaration (DOCTYPE) from the XML, then try again."


class XmlTooLargeError(DocumentError):
    """The XML exceeds a limit on octets, nesting, elements, attributes or namespace declarations."""

    code = "XML_TOO_LARGE"
    remedy = "Split the document, or sign it detached, as a file of its own."


class CanonicalizationError(DocumentDamagedError):
    """The XML has no canonical form, for instance because of a relative namespace URI (C14N 1.0, clause 1.3)."""

    code = "XML_NOT_CANONICAL"
    remedy = "Give every namespace an absolute URI, then try again."


class XmlEngineMissingError(SigningError):
    """The library that canonicalises XML is not installed on this machine."""

    code = "XML_ENGINE_MISSING"
    remedy = "Install libxml2 (on Debian the package libxml2), then try again."
