"""What is kept between the two calls survives its serialisation, and damaged state is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.pades import cms_builder
from signing.pades.revision import Revision
from signing.pades.state import Prepared
from signing.ports import Level, Profile
from tests.unit.signing.issuing import authority, signer
from timestamping.algorithms import DigestAlgorithm

CA = authority("CA")
LEAF = signer("Leaf", CA)


def prepared(profile: Profile) -> Prepared:
    data = bytearray(b"7 0 obj /Contents <0000000000> endobj %%EOF\n")
    start = 1000 + data.index(b"<")
    return Prepared(
        profile=profile,
        document_sha256=bytes(range(32)),
        revision=Revision(1000, data, start, start + 12),
        certificate=LEAF.certificate,
        chain=(CA.certificate,),
        algorithm=cms_builder.signature_algorithm(LEAF.certificate, profile),
        to_be_signed=cms_builder.signed_attributes(LEAF.certificate, profile.digest, bytes(profile.digest.size)),
    )


STATE = prepared(Profile(Level.LTA)).to_bytes()


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("digest", DigestAlgorithm)
def test_round_trip(level: Level, digest: DigestAlgorithm) -> None:
    original = prepared(Profile(level, digest, DigestAlgorithm.SHA512, rsa_pss=True))
    restored = Prepared.from_bytes(original.to_bytes())
    assert restored == original
    assert restored.digest == digest.digest(original.to_be_signed)


def test_what_was_filled_in_is_not_kept() -> None:
    original = prepared(Profile(Level.LTA))
    original.revision.fill(b"\xab\xcd")
    assert b"<0000000000>" in Prepared.from_bytes(original.to_bytes()).revision.data


def test_state_holds_no_more_than_the_revision() -> None:
    state = json.loads(STATE)
    assert set(state) == {
        "format",
        "level",
        "digest",
        "archive_digest",
        "rsa_pss",
        "document_sha256",
        "base",
        "contents_start",
        "contents_end",
        "covered",
        "certificates",
        "algorithm",
        "to_be_signed",
    }


def changed(key: str, value: Any) -> Callable[[], bytes]:
    return lambda: json.dumps(json.loads(STATE) | {key: value}).encode()


DAMAGED_STATES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "cut": lambda: STATE[:-1],
    "half": lambda: STATE[: len(STATE) // 2],
    "no JSON": lambda: b"\x80\x04\x95",
    "null": lambda: b"null",
    "list": lambda: b"[]",
    "number": lambda: b"1",
    "older format": changed("format", 0),
    "newer format": changed("format", 2),
    "level": changed("level", "LTV"),
    "digest": changed("digest", "sha1"),
    "archive digest": changed("archive_digest", None),
    "document digest": changed("document_sha256", "zz"),
    "base": changed("contents_start", "12"),
    "covered": changed("covered", ["AA=="]),
    "not base64": changed("to_be_signed", "*"),
    "no certificate": changed("certificates", []),
    "no certificates": changed("certificates", None),
    "another certificate": changed("certificates", ["AAAA"]),
}


@pytest.mark.parametrize("make", DAMAGED_STATES.values(), ids=DAMAGED_STATES)
def test_damaged_state(make: Callable[[], bytes]) -> None:
    with pytest.raises(ValueError, match="not a prepared signature"):
        Prepared.from_bytes(make())


@given(st.integers(0, len(STATE)), st.binary(max_size=4), st.integers(0, 4))
def test_spliced_state_is_restored_or_refused(at: int, piece: bytes, dropped: int) -> None:
    try:
        restored = Prepared.from_bytes(STATE[:at] + piece + STATE[at + dropped :])
    except ValueError:
        return
    assert isinstance(restored, Prepared)
