"""Merkle trees (RFC 9162, 2.1): root, inclusion proof, and its verification."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


class Tree:
    """The root of a growing list, without keeping the list."""

    def __init__(self, algorithm: str = "sha256") -> None:
        """Begin with the empty list; `algorithm` as `hashlib` names it."""
        self._algorithm = algorithm
        self._perfect: list[tuple[int, bytes]] = []
        """Roots of the perfect subtrees from the left, each with its height."""

    def add(self, entry: bytes) -> None:
        """Append an entry."""
        height, root = 0, _hash(self._algorithm, _LEAF + entry)
        while self._perfect and self._perfect[-1][0] == height:
            root = _hash(self._algorithm, _NODE + self._perfect.pop()[1] + root)
            height += 1
        self._perfect.append((height, root))

    def root(self) -> bytes:
        """Return the Merkle Tree Hash of the entries so far (RFC 9162, 2.1.1)."""
        if not self._perfect:
            return _hash(self._algorithm, b"")
        *left, (_, root) = self._perfect
        for _, subtree in reversed(left):
            root = _hash(self._algorithm, _NODE + subtree + root)
        return root


def root_of(entries: Iterable[bytes], algorithm: str = "sha256") -> bytes:
    """Return the Merkle Tree Hash of a list (RFC 9162, 2.1.1)."""
    tree = Tree(algorithm)
    for entry in entries:
        tree.add(entry)
    return tree.root()


def inclusion_proof(entries: Sequence[bytes], index: int, algorithm: str = "sha256") -> list[bytes]:
    """Return the proof that entry `index` is in the list (RFC 9162, 2.1.3.1).

    Raises:
        IndexError: the list has no such entry.
    """
    if not 0 <= index < len(entries):
        raise IndexError(f"no entry {index} in {len(entries)}")
    start, end, proof = 0, len(entries), list[bytes]()
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(root_of(entries[middle:end], algorithm))
            end = middle
        else:
            proof.append(root_of(entries[start:middle], algorithm))
            start = middle
    proof.reverse()
    return proof


def is_included(
    entry: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes, algorithm: str = "sha256"
) -> bool:
    """Tell whether the proof shows that the list of `size` entries with this root has `entry` at `index` (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    number, last, found = index, size - 1, _hash(algorithm, _LEAF + entry)
    for node in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = _hash(algorithm, _NODE + node + found)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            found = _hash(algorithm, _NODE + found + node)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _hash(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(algorithm, data).digest()
