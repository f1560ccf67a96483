"""Writing DER (X.690): each function returns one complete encoding.

Building evidence from encoded fragments costs microseconds where an object tree costs milliseconds; reading is
left to `asn1crypto` and `cryptography`.
"""

from datetime import UTC, datetime
from functools import lru_cache

NULL = b"\x05\x00"
TRUE = b"\x01\x01\xff"


def tlv(tag: int, *parts: bytes) -> bytes:
    """Encode `parts`, joined, under one identifier octet."""
    content = b"".join(parts)
    return _head(tag, len(content)) + content


@lru_cache(maxsize=4096)
def _head(tag: int, length: int) -> bytes:
    if length < 0x80:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE or SEQUENCE OF, in the given order."""
    return tlv(0x30, *parts)


def set_of(*parts: bytes) -> bytes:
    """SET OF, sorted as DER demands (X.690, clause 11.6)."""
    return tlv(0x31, *sorted(parts))


def explicit(number: int, content: bytes) -> bytes:
    """[number] EXPLICIT around an encoding."""
    return tlv(0xA0 | number, content)


def implicit(number: int, encoding: bytes) -> bytes:
    """[number] IMPLICIT in place of the tag of a primitive encoding."""
    return bytes((0x80 | number,)) + encoding[1:]


def octet_string(value: bytes) -> bytes:
    """OCTET STRING."""
    return tlv(0x04, value)


def integer(value: int) -> bytes:
    """INTEGER, of any size and sign."""
    magnitude = value if value >= 0 else ~value
    return tlv(0x02, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


@lru_cache(maxsize=256)
def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    octets = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        arc >>= 7  # noqa: PLW2901
        while arc:
            groups.append(0x80 | arc & 0x7F)
            arc >>= 7  # noqa: PLW2901
        octets += bytes(reversed(groups))
    return tlv(0x06, bytes(octets))


def generalized_time(moment: datetime, *, milliseconds: bool = False) -> bytes:
    """GeneralizedTime in UTC, cut to seconds or milliseconds.

    It ends in Z; a fraction has no trailing zeros and is left out where it is zero (RFC 3161, clause 2.4.2).
    """
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    text = f"{moment.year:04}{moment.month:02}{moment.day:02}{moment.hour:02}{moment.minute:02}{moment.second:02}"
    if milliseconds and (millis := moment.microsecond // 1000):
        text += f".{millis:03}".rstrip("0")
    return tlv(0x18, text.encode("ascii") + b"Z")


def attribute(attribute_type: str, *values: bytes) -> bytes:
    """Attribute ::= SEQUENCE { attrType, attrValues SET OF } (RFC 5652, clause 5.3)."""
    return sequence(oid(attribute_type), set_of(*values))
