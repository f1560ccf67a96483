"""Encryption of objects and small values: FTS-SEC-3, FTS-GDPR-1; case F-5."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.envelope import DocumentKey, EnvelopeError

NAME = "town/0123456789abcdef"
SIZES = [0, 1, 16, 50_000, (1 << 20) - 200, 1 << 20, 3 * (1 << 20) + 5]


@pytest.fixture
def key() -> DocumentKey:
    return DocumentKey(DocumentKey.new_octets())


def sealed(path: Path, key: DocumentKey, data: bytes, name: str = NAME) -> bytes:
    with key.encrypting(path.open("wb"), name) as stream:
        for start in range(0, len(data), 70_000):
            stream.write(data[start : start + 70_000])
    return path.read_bytes()


def opened(path: Path, key: DocumentKey, octets: bytes, name: str = NAME) -> bytes:
    path.write_bytes(octets)
    with key.decrypting(path.open("rb"), name) as stream:
        return stream.read()


@pytest.mark.parametrize("size", SIZES)
def test_what_goes_in_comes_out(tmp_path: Path, key: DocumentKey, size: int) -> None:
    data = os.urandom(size)
    octets = sealed(tmp_path / "x", key, data)
    assert opened(tmp_path / "y", key, octets) == data
    assert len(octets) - size < 500 + size // 1000
    if size > 100:
        assert data[:32] not in octets


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut by one": lambda o: o[:-1],
    "cut in half": lambda o: o[: len(o) // 2],
    "cut in the header": lambda o: o[:40],
    "empty": lambda o: o[:0],
    "longer": lambda o: o + b"x",
    "a bit at the end": lambda o: o[:-20] + bytes([o[-20] ^ 1]) + o[-19:],
    "a bit in the wrapped key": lambda o: o[:30] + bytes([o[30] ^ 1]) + o[31:],
    "a bit in the magic": lambda o: bytes([o[0] ^ 1]) + o[1:],
    "a longer wrapped key": lambda o: o[:5] + b"\xff\xff" + o[7:],
    "plaintext": lambda o: b"%PDF-1.7 " + bytes(len(o)),
}


@pytest.mark.parametrize("size", [0, 50_000, 3 * (1 << 20) + 5])
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_change_is_found(tmp_path: Path, key: DocumentKey, size: int, damage: str) -> None:
    octets = sealed(tmp_path / "x", key, os.urandom(size))
    with pytest.raises(EnvelopeError):
        opened(tmp_path / "y", key, DAMAGES[damage](octets))


def test_segments_cannot_be_swapped_or_dropped(tmp_path: Path, key: DocumentKey) -> None:
    megabyte = 1 << 20
    octets = sealed(tmp_path / "x", key, os.urandom(4 * megabyte))
    second, third = octets[megabyte : 2 * megabyte], octets[2 * megabyte : 3 * megabyte]
    for changed in (
        octets[:megabyte] + third + second + octets[3 * megabyte :],
        octets[:megabyte] + octets[2 * megabyte :],
        octets[: 3 * megabyte],
    ):
        with pytest.raises(EnvelopeError):
            opened(tmp_path / "y", key, changed)


def test_an_object_is_bound_to_its_name_and_its_document(tmp_path: Path, key: DocumentKey) -> None:
    octets = sealed(tmp_path / "x", key, b"content")
    with pytest.raises(EnvelopeError):
        opened(tmp_path / "y", key, octets, "town/another")
    with pytest.raises(EnvelopeError):
        opened(tmp_path / "y", DocumentKey(DocumentKey.new_octets()), octets)


def test_each_object_has_a_key_of_its_own(tmp_path: Path, key: DocumentKey) -> None:
    assert len({sealed(tmp_path / "x", key, b"the same content")[7:] for _ in range(20)}) == 20


def test_small_values_are_bound_to_their_place(key: DocumentKey) -> None:
    octets = key.seal(b"value", "document town/1")
    assert key.unseal(octets, "document town/1") == b"value"
    for wrong in ("document town/2", ""):
        with pytest.raises(EnvelopeError):
            key.unseal(octets, wrong)
    for changed in (b"", octets[:5], octets[:-1], octets + b"x", bytes([octets[0] ^ 1]) + octets[1:]):
        with pytest.raises(EnvelopeError):
            key.unseal(changed, "document town/1")
