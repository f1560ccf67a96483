"""What callers give to the XAdES engine, and what it refuses besides `signing.ports`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from signing.ports import DocumentError
from timestamping.algorithms import DigestAlgorithm


class Packaging(StrEnum):
    """Where signature and data stand to each other (ETSI EN 319 132-1, clause 4.1)."""

    ENVELOPED = "enveloped"
    """The signature becomes the last child of the document's root."""
    ENVELOPING = "enveloping"
    """The signature is the root and carries the documents' octets in base64."""
    DETACHED = "detached"
    """The signature is a file of its own and names the documents by their file names."""
    INTERNALLY_DETACHED = "internally-detached"
    """A container holds the XML documents and, beside them, the signature."""
    MANIFEST = "manifest"
    """As detached, the documents being listed in one signed ds:Manifest."""

    @property
    def is_detached(self) -> bool:
        """Whether the documents stay files of their own."""
        return self in {Packaging.DETACHED, Packaging.MANIFEST}


@dataclass(frozen=True, slots=True)
class DataObject:
    """A document to be signed."""

    name: str
    """Its file name; with `/` as separator it may name folders, never above the signature's own."""
    stream: BinaryIO
    """Its octets, seekable; read several times."""
    mime_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """The policy under which is signed (ETSI EN 319 132-1, clause 5.2.9): makes the signature an EPES."""

    identifier: str
    """An OID, as `urn:oid:1.2.3`, or a URI."""
    algorithm: DigestAlgorithm
    digest: bytes
    """Digest of the policy document."""
    uri: str | None = None
    """Where the policy document can be had."""


class DocumentNameError(DocumentError):
    """A document's name cannot stand in a reference, or two documents have the same."""

    code = "DOCUMENT_NAME"
    remedy = "Give each document a relative name of its own."


class DocumentMissingError(DocumentError):
    """A detached document is not at hand, or none was given."""

    code = "DOCUMENT_MISSING"
    remedy = "Give the documents that the signature names along with it."
