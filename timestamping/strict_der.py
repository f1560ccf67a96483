"""Reading encodings octet by octet, to tell where BER was written in place of DER (X.690, clauses 8, 10 and 11)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

MOST_OCTETS = 1024 * 1024
"""Largest timestamp that is looked at."""
MOST_ELEMENTS = 20_000
"""Most elements that are walked; a token with thirty certificates has some three thousand."""
MOST_LEVELS = 48
"""Deepest nesting."""

_INDEFINITE = -1
_CONSTRUCTED = 0x20
_BOOLEAN, _INTEGER, _BIT_STRING, _NULL, _OID, _ENUMERATED = 0x01, 0x02, 0x03, 0x05, 0x06, 0x0A
_SET = 0x31


class EncodingError(ValueError):
    """The octets are no complete encoding, or more than a timestamp needs; nothing in them can be told."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One place that is BER but not DER."""

    offset: int
    """Of the element, in octets from the start."""
    message: str


def violations(data: bytes) -> list[Violation]:
    """Walk one encoding and return what in it is not DER; contents of strings are not looked into.

    Raises:
        EncodingError: it is cut off, too large, too deep, or followed by further octets.
    """
    if len(data) > MOST_OCTETS:
        raise EncodingError(f"more than {MOST_OCTETS} octets")
    walk = _Walk(data)
    end = walk.element(0, len(data), 0)
    if end != len(data):
        raise EncodingError(f"{len(data) - end} octets stand behind the encoding")
    return walk.found


def first_length(data: bytes) -> int:
    """Return how many octets the encoding at the start of `data` takes.

    Raises:
        EncodingError: it is no complete encoding.
    """
    if len(data) > MOST_OCTETS:
        raise EncodingError(f"more than {MOST_OCTETS} octets")
    return _Walk(data).element(0, len(data), 0)


def contents(encoding: bytes) -> bytes:
    """Return what stands behind tag and length of a complete encoding."""
    return encoding[2 if encoding[1] <= 0x80 else 2 + (encoding[1] & 0x7F) :]


def is_sorted(encodings: Iterator[bytes]) -> bool:
    """Tell whether encodings stand as in a SET OF in DER (X.690, clause 11.6)."""
    previous = b""
    for encoding in encodings:
        if encoding < previous:
            return False
        previous = encoding
    return True


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.found: list[Violation] = []
        self._data = data
        self._elements = 0

    def element(self, start: int, end: int, level: int) -> int:
        """Walk the element at `start`, which may not go beyond `end`; return where the next one begins."""
        self._elements += 1
        if self._elements > MOST_ELEMENTS or level > MOST_LEVELS:
            raise EncodingError("more elements or levels than a timestamp needs")
        tag, at = self._tag(start, end)
        length, at = self._length(start, at, end)
        if length == _INDEFINITE:
            if not tag & _CONSTRUCTED:
                raise EncodingError("an indefinite length on a primitive element")
            self._complain(start, "the length is indefinite")
            return self._until_end(at, end, level)
        stop = at + length
        if stop > end:
            raise EncodingError("cut off")
        if tag & _CONSTRUCTED:
            self._children(start, tag, at, stop, level)
        else:
            self._primitive(start, tag, self._data[at:stop])
        return stop

    def _children(self, start: int, tag: int, at: int, stop: int, level: int) -> None:
        bounds = [at]
        while bounds[-1] < stop:
            bounds.append(self.element(bounds[-1], stop, level + 1))
        if tag == _SET and not is_sorted(self._data[a:b] for a, b in pairwise(bounds)):
            self._complain(start, "a SET is not sorted")

    def _until_end(self, at: int, end: int, level: int) -> int:
        while self._data[at : at + 2] != b"\0\0":
            at = self.element(at, end, level + 1)
            if at >= end:
                raise EncodingError("cut off")
        return at + 2

    def _tag(self, start: int, end: int) -> tuple[int, int]:
        if start >= end:
            raise EncodingError("cut off")
        tag = self._data[start]
        if tag & 0x1F == 0x1F or tag == 0:
            raise EncodingError(f"a tag that no timestamp has, at {start}")
        return tag, start + 1

    def _length(self, start: int, at: int, end: int) -> tuple[int, int]:
        if at >= end:
            raise EncodingError("cut off")
        first = self._data[at]
        at += 1
        if first < 0x80:
            return first, at
        if first == 0x80:
            return _INDEFINITE, at
        octets = self._data[at : min(at + (first & 0x7F), end)]
        if len(octets) < first & 0x7F:
            raise EncodingError("cut off")
        length = int.from_bytes(octets, "big")
        if length < 0x80 or octets[0] == 0:
            self._complain(start, "the length has more octets than needed")
        return length, at + len(octets)

    def _primitive(self, start: int, tag: int, content: bytes) -> None:
        if tag == _BOOLEAN and content not in (b"\0", b"\xff"):
            self._complain(start, "a BOOLEAN is neither 00 nor FF")
        elif tag in {_INTEGER, _ENUMERATED} and not _minimal_integer(content):
            self._complain(start, "an INTEGER has more octets than needed, or none")
        elif tag == _NULL and content:
            self._complain(start, "a NULL is not empty")
        elif tag == _OID and (not content or content[-1] & 0x80 or _padded_arc(content)):
            self._complain(start, "an OBJECT IDENTIFIER has more octets than needed, or too few")
        elif tag == _BIT_STRING and not _clean_bits(content):
            self._complain(start, "unused bits of a BIT STRING are not zero")

    def _complain(self, offset: int, message: str) -> None:
        self.found.append(Violation(offset, message))


def _minimal_integer(content: bytes) -> bool:
    if len(content) < 2:
        return len(content) == 1
    return (content[0], content[1] & 0x80) not in ((0, 0), (0xFF, 0x80))


def _padded_arc(content: bytes) -> bool:
    starts = [0, *(at + 1 for at, octet in enumerate(content[:-1]) if not octet & 0x80)]
    return any(content[at] == 0x80 for at in starts)


def _clean_bits(content: bytes) -> bool:
    if not content or content[0] > 7 or (len(content) == 1 and content[0]):
        return False
    return len(content) == 1 or not content[-1] & ((1 << content[0]) - 1)
