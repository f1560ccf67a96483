"""The authority's decisions: a token that others accept, or a rejection that says why, whatever comes in."""

from datetime import timedelta

import pytest
from asn1crypto import tsp
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.timestamping.units import MOMENT, POLICY, Unit, answer, make_unit, status_of
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.authority import Authority, FailInfo, rejection
from timestamping.authority.factory import SoftwareTsuKey
from timestamping.authority.policies import Policies
from timestamping.authority.ports import TimeNotAvailableError
from timestamping.authority.unit import TimestampingUnit
from timestamping.ports import TimestampRejectedError
from timestamping.request import build_request, message_imprint, parse_request
from timestamping.token import parse_reply, parse_token

FAIL_INFO = {
    FailInfo.BAD_ALG: "badAlg",
    FailInfo.BAD_REQUEST: "badRequest",
    FailInfo.BAD_DATA_FORMAT: "badDataFormat",
    FailInfo.TIME_NOT_AVAILABLE: "timeNotAvailable",
    FailInfo.UNACCEPTED_POLICY: "unacceptedPolicy",
    FailInfo.UNACCEPTED_EXTENSION: "unacceptedExtension",
    FailInfo.SYSTEM_FAILURE: "systemFailure",
}
IMPRINT = message_imprint(DigestAlgorithm.SHA256, bytes(32))
QUERY = build_request(bytes(32), DigestAlgorithm.SHA256, nonce=7)
UNIT = make_unit()


def granted(reply: bytes) -> bytes:
    """Return the token of a reply that must be granted."""
    status, token = status_of(reply)
    assert status["status"].native == "granted"
    assert token is not None
    return token


def refused(reply: bytes) -> FailInfo:
    """Return the reason of a reply that must be a rejection without a token."""
    status, token = status_of(reply)
    assert (status["status"].native, token) == ("rejection", None)
    assert status["status_string"].native
    with pytest.raises(TimestampRejectedError) as caught:
        parse_reply(reply, parse_request(QUERY), party="the authority")
    return next(reason for reason, word in FAIL_INFO.items() if word in str(caught.value))


@pytest.mark.parametrize("digest", DigestAlgorithm)
@pytest.mark.parametrize("fixture", ["unit", "rsa_unit"])
def test_token(fixture: str, digest: DigestAlgorithm, request: pytest.FixtureRequest) -> None:
    unit: Unit = request.getfixturevalue(fixture)
    imprint = bytes(range(digest.size))
    reply = unit.reply(build_request(imprint, digest, nonce=2**200))
    token = parse_token(granted(reply))
    assert (token.imprint, token.imprint_algorithm, token.policy) == (imprint, digest, POLICY)
    assert token.gen_time == MOMENT
    assert set(token.certificates) == {unit.tsu.certificate, unit.ca.certificate}
    info = tsp.TimeStampResp.load(reply)["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    assert info["version"].native == "v1"
    assert info["nonce"].native == 2**200
    assert info["accuracy"]["seconds"].native == 1
    assert info["gen_time"].native == MOMENT
    assert 0 < info["serial_number"].native < 1 << 160


def test_certificates_only_on_request() -> None:
    query = der.sequence(der.integer(1), IMPRINT)
    content = tsp.TimeStampResp.load(UNIT.reply(query))["time_stamp_token"]["content"]
    assert content["certificates"].native is None
    assert content["encap_content_info"]["content"].parsed["nonce"].native is None


def test_serial_numbers_do_not_repeat() -> None:
    serials = {parse_token(granted(UNIT.reply(QUERY))).serial_number for _ in range(500)}
    assert len(serials) == 500


def extension(*, critical: bool) -> bytes:
    parts = (der.oid("2.25.42"), der.TRUE if critical else b"", der.octet_string(b"\x05\x00"))
    return der.tlv(0xA0, der.sequence(*parts))


def algorithm(oid: str, size: int) -> bytes:
    return der.sequence(der.sequence(der.oid(oid), der.NULL), der.octet_string(bytes(size)))


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (der.sequence(der.integer(0), IMPRINT), FailInfo.BAD_REQUEST),
        (der.sequence(der.integer(2), IMPRINT), FailInfo.BAD_REQUEST),
        (der.sequence(der.integer(1 << 660_000), IMPRINT), FailInfo.BAD_REQUEST),
        (der.sequence(der.integer(1), algorithm("1.3.14.3.2.26", 20)), FailInfo.BAD_ALG),
        (der.sequence(der.integer(1), algorithm("1.2.840.113549.2.5", 16)), FailInfo.BAD_ALG),
        (der.sequence(der.integer(1), algorithm("2.25.1", 32)), FailInfo.BAD_ALG),
        (der.sequence(der.integer(1), algorithm(DigestAlgorithm.SHA256.oid, 31)), FailInfo.BAD_DATA_FORMAT),
        (der.sequence(der.integer(1), algorithm(DigestAlgorithm.SHA512.oid, 32)), FailInfo.BAD_DATA_FORMAT),
        (der.sequence(der.integer(1), IMPRINT, der.oid("2.25.1")), FailInfo.UNACCEPTED_POLICY),
        (der.sequence(der.integer(1), IMPRINT, extension(critical=True)), FailInfo.UNACCEPTED_EXTENSION),
        (der.sequence(der.integer(1), IMPRINT, extension(critical=False)), FailInfo.UNACCEPTED_EXTENSION),
        (der.sequence(der.integer(1), IMPRINT, der.integer(1 << 256)), FailInfo.BAD_REQUEST),
        (der.sequence(der.integer(1), IMPRINT, der.integer(int("9" * 200_000, 16))), FailInfo.BAD_REQUEST),
        (QUERY + b"\x00", FailInfo.BAD_DATA_FORMAT),
        (QUERY[:-1], FailInfo.BAD_DATA_FORMAT),
        (b"", FailInfo.BAD_DATA_FORMAT),
    ],
    ids=[
        "version 0",
        "version 2",
        "huge version",
        "SHA-1",
        "MD5",
        "unknown algorithm",
        "short imprint",
        "imprint of another algorithm",
        "other policy",
        "critical extension",
        "extension",
        "long nonce",
        "nonce of 200,000 digits",
        "trailing octet",
        "cut",
        "empty",
    ],
)
def test_refusal(query: bytes, reason: FailInfo) -> None:
    assert refused(UNIT.reply(query)) is reason


def test_longest_nonce() -> None:
    query = der.sequence(der.integer(1), IMPRINT, der.integer((1 << 256) - 1))
    assert granted(UNIT.reply(query))


def test_negative_nonce() -> None:
    query = der.sequence(der.integer(1), IMPRINT, b"\x02\x01\x80")
    token = granted(UNIT.reply(query))
    assert b"\x02\x01\x80" in token


@pytest.mark.parametrize("off", [timedelta(days=-2), timedelta(days=2)], ids=["not yet valid", "expired"])
def test_unit_whose_certificate_is_not_valid(off: timedelta) -> None:
    authority = Authority(UNIT.authority.unit, lambda: MOMENT + off, policies=Policies(POLICY))
    assert refused(answer(authority, QUERY)) is FailInfo.SYSTEM_FAILURE


def test_clock_that_cannot_be_trusted() -> None:
    def clock() -> "timedelta":
        raise TimeNotAvailableError

    authority = Authority(UNIT.authority.unit, clock, policies=Policies(POLICY))  # type: ignore[arg-type]
    assert refused(answer(authority, QUERY)) is FailInfo.TIME_NOT_AVAILABLE


class LostKey(SoftwareTsuKey):
    """A key whose device goes after its first use."""

    uses = 0

    def sign(self, data: bytes) -> bytes:
        self.uses += 1
        if self.uses > 1:
            raise OSError(f"no device to sign {len(data)} octets")
        return super().sign(data)


def test_key_that_cannot_be_used() -> None:
    unit = TimestampingUnit(LostKey(UNIT.tsu.key), UNIT.tsu.certificate)
    reply = answer(Authority(unit, lambda: MOMENT, policies=Policies(POLICY)), QUERY)
    assert refused(reply) is FailInfo.SYSTEM_FAILURE
    assert b"device" not in reply


@pytest.mark.parametrize("reason", FailInfo)
def test_rejections_are_der(reason: FailInfo) -> None:
    reply = rejection(reason, "why")
    status, _ = status_of(reply)
    assert status["status_string"].native == ["why"]
    assert refused(reply) is reason
    unused, *octets = status["fail_info"].contents
    assert octets[-1] % (2 << unused) == 1 << unused


@given(st.binary(max_size=300))
def test_random_octets_get_a_rejection(query: bytes) -> None:
    assert refused(UNIT.reply(query)) is FailInfo.BAD_DATA_FORMAT


@given(st.integers(0, len(QUERY)), st.binary(max_size=5), st.integers(0, 5))
def test_spliced_query_gets_a_reply(at: int, piece: bytes, dropped: int) -> None:
    query = QUERY[:at] + piece + QUERY[at + dropped :]
    status, token = status_of(UNIT.reply(query))
    assert status["status"].native in ("granted", "rejection")
    assert (token is None) == (status["status"].native == "rejection")
