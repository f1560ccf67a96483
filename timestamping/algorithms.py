"""Digest algorithms that produced evidence may use (ETSI TS 119 312, clause 5)."""

import hashlib
from enum import StrEnum
from typing import Protocol, Self

from cryptography.hazmat.primitives import hashes


class RunningHash(Protocol):
    """A hash under way, as `hashlib` makes them."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Go on with more data."""

    def copy(self) -> Self:
        """Return a twin that can go on apart."""

    def digest(self) -> bytes:
        """Return the digest of the data so far."""


class DigestAlgorithm(StrEnum):
    """A hash function by its usual name; the value is the name that `hashlib` knows."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"

    # as all strings: that of Enum is a function in Python, called for each look into a table
    __hash__ = str.__hash__

    @property
    def oid(self) -> str:
        """Dotted object identifier (RFC 5754, clause 2)."""
        return _OIDS[self]

    @property
    def size(self) -> int:
        """Length of a digest in octets."""
        return _SIZES[self]

    @property
    def primitive(self) -> hashes.HashAlgorithm:
        """The same function as `cryptography` names it."""
        return _PRIMITIVES[self]

    def new(self, data: bytes = b"") -> RunningHash:
        """Start a running hash."""
        return _CONSTRUCTORS[self](data)

    def digest(self, data: bytes) -> bytes:
        """Hash `data` in one call."""
        return _CONSTRUCTORS[self](data).digest()

    @classmethod
    def from_oid(cls, oid: str) -> "DigestAlgorithm":
        """Return the algorithm with this identifier.

        Raises:
            ValueError: the algorithm is not one of SHA-256, SHA-384 and SHA-512.
        """
        algorithm = _BY_OID.get(oid)
        if algorithm is None:
            raise ValueError(f"digest algorithm {oid} is not accepted; use SHA-256, SHA-384 or SHA-512")
        return algorithm


_OIDS = {
    DigestAlgorithm.SHA256: "2.16.840.1.101.3.4.2.1",
    DigestAlgorithm.SHA384: "2.16.840.1.101.3.4.2.2",
    DigestAlgorithm.SHA512: "2.16.840.1.101.3.4.2.3",
}
_BY_OID = {oid: algorithm for algorithm, oid in _OIDS.items()}
_CONSTRUCTORS = {
    DigestAlgorithm.SHA256: hashlib.sha256,
    DigestAlgorithm.SHA384: hashlib.sha384,
    DigestAlgorithm.SHA512: hashlib.sha512,
}
_SIZES = {DigestAlgorithm.SHA256: 32, DigestAlgorithm.SHA384: 48, DigestAlgorithm.SHA512: 64}
_PRIMITIVES: dict[DigestAlgorithm, hashes.HashAlgorithm] = {
    DigestAlgorithm.SHA256: hashes.SHA256(),
    DigestAlgorithm.SHA384: hashes.SHA384(),
    DigestAlgorithm.SHA512: hashes.SHA512(),
}
