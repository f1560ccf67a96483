"""Merkle trees of any size and algorithm (RFC 9162, 2.1)."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fts.audit.merkle import Tree, inclusion_proof, is_included, root_of

ALGORITHMS = st.sampled_from(["sha256", "sha384", "sha512"])
ENTRIES = st.lists(st.binary(max_size=40), min_size=1, max_size=70, unique=True)


def by_definition(entries: list[bytes], algorithm: str) -> bytes:
    """MTH as RFC 9162, 2.1.1, writes it."""
    if len(entries) == 1:
        return hashlib.new(algorithm, b"\0" + entries[0]).digest()
    split = 1
    while 2 * split < len(entries):
        split *= 2
    left, right = by_definition(entries[:split], algorithm), by_definition(entries[split:], algorithm)
    return hashlib.new(algorithm, b"\1" + left + right).digest()


@given(ENTRIES, ALGORITHMS)
def test_the_root_is_the_defined_one(entries: list[bytes], algorithm: str) -> None:
    assert root_of(entries, algorithm) == by_definition(entries, algorithm)


@given(ENTRIES, ALGORITHMS)
def test_the_root_is_known_at_any_time(entries: list[bytes], algorithm: str) -> None:
    tree = Tree(algorithm)
    for count, entry in enumerate(entries, 1):
        tree.add(entry)
        assert tree.root() == root_of(entries[:count], algorithm)


@given(ENTRIES, ALGORITHMS, st.data())
def test_a_proof_holds_for_its_entry_place_and_tree_only(
    entries: list[bytes], algorithm: str, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))
    entry, size, root = entries[index], len(entries), root_of(entries, algorithm)
    proof = inclusion_proof(entries, index, algorithm)
    assert len(proof) <= (size - 1).bit_length()
    assert is_included(entry, index, size, proof, root, algorithm)
    assert not is_included(entry + b"x", index, size, proof, root, algorithm)
    assert not is_included(entry, index, size, [*proof, root], root, algorithm)
    for other in range(-1, size + 1):
        if other != index:
            assert not is_included(entry, other, size, proof, root, algorithm)
    if proof:
        position = data.draw(st.integers(0, len(proof) - 1))
        bent = [*proof[:position], bytes(len(root)), *proof[position + 1 :]]
        assert not is_included(entry, index, size, bent, root, algorithm)
        assert not is_included(entry, index, size, proof[:-1], root, algorithm)


def test_the_empty_list() -> None:
    assert root_of([]) == hashlib.sha256().digest()
    assert not is_included(b"", 0, 0, [], root_of([]))
    with pytest.raises(IndexError):
        inclusion_proof([b""], 1)
