"""Media types of documents: which the gateway reads itself, and what a client may call any other file."""

import re
from typing import Final

PDF: Final = "application/pdf"
XML_TYPES: Final = frozenset({"application/xml", "text/xml"})
"""RFC 7303, clauses 9.1 and 9.2."""
OCTETS: Final = "application/octet-stream"

MOST_CHARACTERS: Final = 100
"""Longest media type of a document, in characters."""

_NAME: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]*"
_MEDIA_TYPE: Final = re.compile(f"{_NAME}/{_NAME}")


def media_type_of(header: str) -> str | None:
    """Return the media type of a Content-Type header, in small letters and without parameters; None if there is none.

    RFC 6838, clause 4.2.
    """
    value = header.partition(";")[0].strip().lower()
    return value if len(value) <= MOST_CHARACTERS and _MEDIA_TYPE.fullmatch(value) else None
