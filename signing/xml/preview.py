"""How an XML document reads, for a person to judge before signing: its text, in parts of bounded size.

Shown is what the hardened reader took in and what becomes part of a signed document: written anew in UTF-8, with
character references resolved. Characters that cannot be seen, or that change the order of others, are named instead.
"""

import unicodedata
from collections.abc import Iterator
from typing import BinaryIO, Final

from signing.limits import LIMITS
from signing.ports import DocumentDamagedError
from signing.xml.reading import parse, serialised

_SEEN: Final = "\n\t"
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""General categories (Unicode, chapter 4.5) of control, format, private and unassigned characters and separators."""
_EMPTY: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that are drawn as nothing."""
_SELECTORS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
"""Variation selectors."""


def parts_of(text: str) -> Iterator[str]:
    """Yield the parts of a text: each ends with a line, or where it would become too long or have too many lines."""
    at = 0
    while at < len(text):
        end, most = at, min(len(text), at + LIMITS.preview_part_characters)
        for _ in range(LIMITS.preview_part_lines):
            newline = text.find("\n", end, most)
            if newline < 0:
                end = most
                break
            end = newline + 1
        yield text[at:end]
        at = end


def count_parts(text: str) -> int:
    """Return how many parts a text has."""
    return sum(1 for _ in parts_of(text))


def text_of(stream: BinaryIO) -> str:
    """Return an XML document as text (errors as `signing.xml.reading.parse`)."""
    stream.seek(0)
    return serialised(parse(stream.read(LIMITS.xml_bytes + 1))).decode("utf-8")


def draw_part(stream: BinaryIO, number: int) -> str:
    """Return part `number` of an XML document, counted from 1, for a person.

    Raises:
        DocumentDamagedError: there is no such part.
        DocumentError: the document cannot be read.
    """
    for position, part in enumerate(parts_of(text_of(stream)), 1):
        if position == number:
            return visible(part)
    raise DocumentDamagedError(f"the document has no part {number}")


def visible(text: str) -> str:
    """Return a text in which characters that cannot be seen are named: U+202E becomes ⟦U+202E⟧."""
    return text.translate({ord(each): f"⟦U+{ord(each):04X}⟧" for each in set(text) if _is_hidden(each)})


def _is_hidden(character: str) -> bool:
    if character in _SEEN:
        return False
    return (
        unicodedata.category(character) in _UNSEEN
        or character in _EMPTY
        or any(ord(character) in each for each in _SELECTORS)
    )
