"""Telling BER from DER (X.690, clauses 8, 10 and 11), within bounds on size, number and depth."""

from time import perf_counter

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.signing.issuing import authority
from timestamping import der
from timestamping.strict_der import (
    MOST_ELEMENTS,
    MOST_LEVELS,
    MOST_OCTETS,
    EncodingError,
    contents,
    first_length,
    is_sorted,
    violations,
)

GOOD: dict[str, bytes] = {
    "null": der.NULL,
    "boolean": der.TRUE,
    "integers": der.sequence(*map(der.integer, (0, 1, 127, 128, 255, 256, -1, -128, -129, 1 << 200))),
    "long": der.octet_string(bytes(200)),
    "longer": der.octet_string(bytes(70_000)),
    "set": der.set_of(der.integer(1), der.integer(2), der.NULL),
    "identifier": der.oid("2.999.1234567.1"),
    "bits": der.tlv(0x03, b"\x04\xf0"),
    "no bits": der.tlv(0x03, b"\x00"),
    "a certificate": authority("CA").certificate.public_bytes(Encoding.DER),
}
BAD: dict[str, tuple[str, str]] = {
    "length of two octets where one does": ("04810100", "length"),
    "length with a zero in front": ("04820081" + "00" * 0x81, "length"),
    "indefinite length": ("308005000000", "indefinite"),
    "indefinite inside": ("3006308005000000", "indefinite"),
    "padded integer": ("02020001", "INTEGER"),
    "padded negative integer": ("0202ffff", "INTEGER"),
    "empty integer": ("0200", "INTEGER"),
    "padded enumeration": ("0a020001", "INTEGER"),
    "boolean of 01": ("010101", "BOOLEAN"),
    "empty boolean": ("0100", "BOOLEAN"),
    "null with content": ("050100", "NULL"),
    "set out of order": ("3106020102020101", "SET"),
    "identifier with a padded arc": ("06032a8001", "IDENTIFIER"),
    "identifier cut off": ("06022a80", "IDENTIFIER"),
    "empty identifier": ("0600", "IDENTIFIER"),
    "unused bits set": ("030204ff", "BIT STRING"),
    "more unused bits than there are": ("03020900", "BIT STRING"),
    "unused bits of nothing": ("030101", "BIT STRING"),
}


@pytest.mark.parametrize("name", GOOD)
def test_der(name: str) -> None:
    assert violations(GOOD[name]) == []
    assert first_length(GOOD[name] + b"behind") == len(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_ber(name: str) -> None:
    encoding, message = bytes.fromhex(BAD[name][0]), BAD[name][1]
    (found,) = violations(encoding)
    assert message in found.message
    wrapped = der.sequence(encoding)
    (inside,) = violations(wrapped)
    assert inside.offset == found.offset + len(wrapped) - len(encoding)


@pytest.mark.parametrize(
    "octets",
    ["", "30", "3001", "30020500ff", "0405", "04840000", "3080", "30800500", "0480", "0000", "1f0100", "05008000"],
)
def test_no_encoding(octets: str) -> None:
    with pytest.raises(EncodingError):
        violations(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "octets",
    [
        b"\x30" * 100_000,
        b"\x30\x80" * 100_000,
        der.octet_string(bytes(MOST_OCTETS)),
        der.sequence(der.NULL * (MOST_ELEMENTS + 1)),
        b"\x30\x84\xff\xff\xff\xff" + bytes(1000),
        b"\x02\xff" + b"\xff" * 127,
    ],
    ids=["nested", "nested without end", "large", "many", "length of 4 GiB", "length of 127 octets"],
)
def test_hostile_octets_cost_little(octets: bytes) -> None:
    started = perf_counter()
    with pytest.raises(EncodingError):
        violations(octets)
    assert perf_counter() - started < 1.0


def test_depth() -> None:
    deep = der.NULL
    for _ in range(MOST_LEVELS):
        deep = der.sequence(deep)
    assert violations(deep) == []
    with pytest.raises(EncodingError, match="levels"):
        violations(der.sequence(deep))


def test_order_and_contents() -> None:
    assert is_sorted(iter((b"\x01", b"\x01\x00", b"\x02")))
    assert not is_sorted(iter((b"\x02", b"\x01")))
    for size in (0, 1, 127, 128, 255, 256, 70_000):
        assert contents(der.octet_string(bytes(size))) == bytes(size)


@given(st.binary(max_size=80))
def test_anything(octets: bytes) -> None:
    """Whatever comes, it is walked to its end or refused as no encoding."""
    try:
        found = violations(octets)
    except EncodingError:
        return
    assert all(0 <= violation.offset < len(octets) for violation in found)
