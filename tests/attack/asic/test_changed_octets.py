"""Octets of signed containers changed at random: what we still call valid, another reader reads alike (F-1, F-2)."""

import io
import random
import zipfile
from collections.abc import Callable

import pytest

from signing.asic.reading import opened
from signing.ports import Level, Profile
from tests.attack.asic.building import build
from tests.support.asic import sign_container, verify_container
from tests.support.line import Line

FILES = {"order.txt": b"pay 100" * 100, "letter.bin": bytes(range(256)) * 4}
CASES = 1_500
SEED = 20260719
TAIL = 600
"""Octets at the end in which most changes are: there is the directory."""
MOST_VALID = CASES // 10


def as_it_is(data: bytes) -> bytes:
    """Stored, all sizes in the local headers."""
    return data


def as_a_stream(data: bytes) -> bytes:
    """The same entries deflated, with data descriptors, as writers to a pipe make them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        mimetype, *entries = [{"name": name, "hex": archive.read(name).hex()} for name in archive.namelist()]
    streamed = [{**entry, "method": "deflated", "descriptor": True} for entry in entries]
    return build({"archive": {"bare": True}, "entry": [mimetype, *streamed]})


@pytest.mark.parametrize("form", [as_it_is, as_a_stream])
def test_what_is_valid_is_the_same_for_another_reader(line: Line, form: Callable[[bytes], bytes]) -> None:
    data = form(sign_container(line, FILES, profile=Profile(Level.T)).data)
    assert verify_container(line, data).valid
    choose = random.Random(SEED)  # noqa: S311  repeatable
    valid = 0
    for _ in range(CASES):
        changed = with_changes(data, choose)
        report = verify_container(line, changed)
        if report.valid:
            valid += 1
            held = opened(io.BytesIO(changed))
            assert {each.name: each.stream.read() for each in held.files} == FILES
            with zipfile.ZipFile(io.BytesIO(changed)) as other:
                assert {name: other.read(name) for name in FILES} == FILES
                assert len(other.namelist()) == len(FILES) + 3
    assert 0 < valid < MOST_VALID


def with_changes(data: bytes, choose: random.Random) -> bytes:
    """One octet or a few set, taken out or put in."""
    changed = bytearray(data)
    for _ in range(choose.choice((1, 1, 1, 2, 5))):
        everywhere = choose.random() < 0.4
        place = choose.randrange(0 if everywhere else len(changed) - TAIL, len(changed))
        kind = choose.random()
        if kind < 0.6:
            changed[place] = choose.choice((0, 1, 255, changed[place] ^ (1 << choose.randrange(8))))
        elif kind < 0.8:
            del changed[place : place + choose.randrange(1, 40)]
        else:
            changed[place:place] = choose.randbytes(choose.randrange(1, 40))
    return bytes(changed)
