"""Timestamp queries: ours are read by another library, and what is no query is a ValueError."""

import os

import pytest
from asn1crypto import tsp
from hypothesis import example, given
from hypothesis import strategies as st

from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.request import build_request, message_imprint, parse_request

ALGORITHMS = st.sampled_from(list(DigestAlgorithm))
SAMPLE = build_request(bytes(32), DigestAlgorithm.SHA256, nonce=2**62 + 5, policy="2.25.1")


@given(ALGORITHMS, st.integers(0, 2**63 - 1), st.sampled_from([None, "1.2.3", "2.25.99999999999999999999"]))
def test_query_read_by_another_library(algorithm: DigestAlgorithm, nonce: int, policy: str | None) -> None:
    imprint = os.urandom(algorithm.size)
    encoded = build_request(imprint, algorithm, nonce=nonce, policy=policy)
    other = tsp.TimeStampReq.load(encoded, strict=True).native
    assert other["version"] == "v1"
    assert other["message_imprint"]["hash_algorithm"]["algorithm"] == algorithm.value
    assert other["message_imprint"]["hashed_message"] == imprint
    assert (other["nonce"], other["req_policy"], other["cert_req"]) == (nonce, policy, True)
    ours = parse_request(encoded)
    assert (ours.version, ours.algorithm_oid, ours.imprint) == (1, algorithm.oid, imprint)
    assert (ours.policy, ours.nonce, ours.cert_req, ours.has_extensions) == (policy, nonce, True, False)


@given(ALGORITHMS, st.integers(-(2**300), 2**300), st.booleans())
def test_query_of_another_library(algorithm: DigestAlgorithm, nonce: int, cert_req: bool) -> None:
    encoded = tsp.TimeStampReq(
        {
            "version": 1,
            "message_imprint": {
                "hash_algorithm": {"algorithm": algorithm.value},
                "hashed_message": bytes(algorithm.size),
            },
            "nonce": nonce,
            "cert_req": cert_req,
        }
    ).dump()
    parsed = parse_request(encoded)
    assert (parsed.nonce, parsed.cert_req, parsed.policy) == (nonce, cert_req, None)


def test_least_query() -> None:
    encoded = der.sequence(der.integer(1), message_imprint(DigestAlgorithm.SHA256, bytes(32)))
    parsed = parse_request(encoded)
    assert (parsed.nonce, parsed.cert_req, parsed.policy, parsed.has_extensions) == (None, False, None, False)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_imprint_of_another_length(size: int) -> None:
    with pytest.raises(ValueError, match="no sha256 digest"):
        build_request(bytes(size), DigestAlgorithm.SHA256, nonce=1)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30\x00",
        SAMPLE[:-1],
        SAMPLE + b"\x00",
        b"\x30\x80" + SAMPLE[3:] + b"\x00\x00",
        b"\x30\x84\xff\xff\xff\xff" + SAMPLE[2:],
        b"\x30" * 70_000,
        (b"\x30\x82\xff\xff" * 10_000)[:65_536],
        b"<html>",
    ],
    ids=[
        "empty",
        "empty sequence",
        "cut",
        "trailing octet",
        "indefinite",
        "long",
        "nested",
        "deep",
        "html",
    ],
)
def test_no_query(octets: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the library's
        parse_request(octets)


@given(st.binary(max_size=400))
@example(b"\x30\x03\x02\x01\x01")
def test_random_octets(octets: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the library's
        parse_request(octets)


@given(st.integers(0, len(SAMPLE)), st.binary(max_size=6), st.integers(0, 6))
def test_spliced_query(at: int, piece: bytes, dropped: int) -> None:
    try:
        parsed = parse_request(SAMPLE[:at] + piece + SAMPLE[at + dropped :])
    except ValueError:
        return
    assert isinstance(parsed.imprint, bytes)
