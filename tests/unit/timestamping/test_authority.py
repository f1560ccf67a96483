"""The authority's decisions: a token that others accept, or a rejection that says why, whatever comes in."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import process_time, sleep

import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.timestamping.units import MOMENT, POLICY, Unit, answer, make_unit, status_of
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.authority import MAX_BATCH, MAX_BATCH_SECONDS, Authority
from timestamping.authority.decision import FailInfo, rejection
from timestamping.authority.factory import SoftwareTsuKey
from timestamping.authority.policies import Policies
from timestamping.authority.ports import (
    Caller,
    ClockSnapshot,
    ClockState,
    Decision,
    RecordFailedError,
    TimeNotAvailableError,
)
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


VARIED = [
    QUERY,
    build_request(bytes(64), DigestAlgorithm.SHA512, nonce=2**255, policy=POLICY),
    der.sequence(der.integer(1), IMPRINT, der.oid("2.25.1"), der.integer(-1), der.TRUE, extension(critical=True)),
]


@settings(max_examples=1_000)
@given(st.sampled_from(VARIED), st.data())
def test_bent_queries_get_a_reply_in_time(query: bytes, data: st.DataObject) -> None:
    """T-7: octets changed, taken out, doubled or put in: a reply that can be read, within a moment."""
    bent = bytearray(query)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(bent)))
        until = data.draw(st.integers(at, min(len(bent), at + 8)))
        piece = data.draw(st.binary(max_size=4) | st.just(bytes(bent[at:until]) * 2) | st.just(query[:12]))
        bent[at:until] = piece
    started = process_time()
    status, token = status_of(UNIT.reply(bytes(bent)))
    assert process_time() - started < 0.25
    assert (token is None) == (status["status"].native == "rejection")


@pytest.mark.parametrize(
    "octets", [b"\x30\x80", b"\xa0\x80", b"\x30\x82\xff\xff", b"\x30\x84\x7f\xff\xff\xff", b"\x02", b"\x1f\xff"]
)
def test_nesting_and_lengths_that_lie(octets: bytes) -> None:
    """T-7."""
    query = octets * (65_536 // len(octets))
    started = process_time()
    assert refused(UNIT.reply(query)) is FailInfo.BAD_DATA_FORMAT
    assert process_time() - started < 0.25


def nested(levels: int) -> bytes:
    encoded = b""
    for _ in range(levels):
        encoded = der.sequence(encoded)
    return encoded


@pytest.mark.parametrize("levels", [1, 100, 10_000])
def test_deep_nesting_that_is_der(levels: int) -> None:
    """T-7."""
    assert refused(UNIT.reply(nested(levels))) is FailInfo.BAD_DATA_FORMAT
    query = der.sequence(der.integer(1), IMPRINT, der.tlv(0xA0, nested(levels)))
    assert refused(UNIT.reply(query)) is FailInfo.BAD_DATA_FORMAT


class Log:
    """A place for decisions, and a disk that may be full."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.full = False

    async def append(self, decisions: Sequence[Decision]) -> None:
        if self.full:
            raise RecordFailedError("no space left on device /records")
        self.decisions += decisions


SNAPSHOT = ClockSnapshot(3, ClockState.GOOD, 0.001, 0.002, ("a",), MOMENT, 0.0)


class Guarded:
    """A clock with a guard."""

    snapshot = SNAPSHOT
    trusted = True

    def __call__(self) -> datetime:
        if not self.trusted:
            raise TimeNotAvailableError
        return MOMENT


class Broken(Guarded):
    """A clock that fails in a way that no port has."""

    def __call__(self) -> datetime:
        raise ZeroDivisionError("secret inside")


class BrokenLog(Log):
    async def append(self, decisions: Sequence[Decision]) -> None:
        raise ZeroDivisionError("secret inside")


def test_what_nobody_foresaw_is_a_refusal_with_its_record() -> None:
    """FTS-TS-2: no token, no HTTP error, nothing of the inside to the caller, and the record is written."""
    log = Log()
    reply = asyncio.run(Authority(UNIT.authority.unit, Broken(), policies=Policies(POLICY), log=log).reply(QUERY))
    assert refused(reply) is FailInfo.SYSTEM_FAILURE
    assert b"secret" not in reply
    (decision,) = log.decisions
    assert (decision.fail_info, decision.serial_number, decision.imprint) == ("systemFailure", None, bytes(32))


def test_a_log_that_fails_in_another_way_lets_no_token_out() -> None:
    authority = Authority(UNIT.authority.unit, Guarded(), policies=Policies(POLICY), log=BrokenLog())
    reply = asyncio.run(authority.reply(QUERY))
    assert refused(reply) is FailInfo.SYSTEM_FAILURE
    assert b"secret" not in reply


def test_what_is_recorded() -> None:
    log, clock = Log(), Guarded()
    caller = Caller("client", "192.0.2.1", "reference")
    authority = Authority(UNIT.authority.unit, clock, policies=Policies(POLICY), log=log)
    token = parse_token(granted(asyncio.run(authority.reply(QUERY, caller))))
    clock.trusted = False
    assert refused(asyncio.run(authority.reply(QUERY))) is FailInfo.TIME_NOT_AVAILABLE
    assert refused(asyncio.run(authority.reply(b"0"))) is FailInfo.BAD_DATA_FORMAT
    first, second, third = log.decisions
    assert (first.caller, first.query_octets, first.nonce, first.imprint) == (caller, len(QUERY), 7, bytes(32))
    assert (first.serial_number, first.gen_time, first.policy) == (token.serial_number, token.gen_time, POLICY)
    assert first.token_sha256 == DigestAlgorithm.SHA256.digest(token.der)
    assert first.unit == UNIT.tsu.certificate.fingerprint(hashes.SHA256()).hex()
    assert first.signing_seconds is not None
    assert first.signing_seconds > 0
    assert (first.certificates_asked, first.extensions_asked, first.policy_asked) == (True, False, None)
    assert (first.fail_info, second.fail_info, third.fail_info) == (None, "timeNotAvailable", "badDataFormat")
    assert (first.snapshot, second.snapshot, third.snapshot) == (SNAPSHOT, SNAPSHOT, None)
    assert (second.serial_number, second.token_sha256, third.imprint) == (None, None, None)


def test_no_token_without_its_record() -> None:
    """Also no other answer; and nothing of the reason leaves."""
    log = Log()
    authority = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY), log=log)
    log.full = True
    for query in (QUERY, b""):
        reply = asyncio.run(authority.reply(query))
        assert refused(reply) is FailInfo.SYSTEM_FAILURE
        assert b"space" not in reply
    assert asyncio.run(authority.issue(parse_request(QUERY))).token is None
    log.full = False
    assert granted(asyncio.run(authority.reply(QUERY)))


def test_issue_is_the_same_decision() -> None:
    log = Log()
    authority = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY), log=log)
    issued = asyncio.run(authority.issue(parse_request(QUERY), Caller("client"), query_octets=99))
    assert issued.token is not None
    token = parse_token(issued.token)
    assert (issued.serial_number, issued.gen_time, issued.policy) == (token.serial_number, token.gen_time, POLICY)
    short = parse_request(QUERY)._replace(imprint=bytes(31))
    assert asyncio.run(authority.issue(short)).fail_info is FailInfo.BAD_DATA_FORMAT
    assert [decision.query_octets for decision in log.decisions] == [99, 0]


class CountingLog(Log):
    """Keeps how many decisions came with each call, and lets others go on before it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    async def append(self, decisions: Sequence[Decision]) -> None:
        self.batches.append(len(decisions))
        await asyncio.sleep(0)
        await super().append(decisions)


class SlowKey(SoftwareTsuKey):
    def sign(self, data: bytes) -> bytes:
        sleep(MAX_BATCH_SECONDS / 2)
        return super().sign(data)


def test_who_waits_together_shares_a_commit_in_the_order_of_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timestamping.authority.authority.perf_counter", lambda: 0.0)
    log = CountingLog()
    authority = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY), log=log)

    async def ask() -> list[bytes]:
        callers = (authority.reply(QUERY, Caller(str(number))) for number in range(MAX_BATCH + 40))
        return await asyncio.gather(*callers)

    assert all(granted(reply) for reply in asyncio.run(ask()))
    assert log.batches == [MAX_BATCH, 40]
    assert [decision.caller.client_id for decision in log.decisions] == [str(n) for n in range(MAX_BATCH + 40)]


def test_a_slow_key_does_not_keep_the_loop() -> None:
    log = CountingLog()
    unit = TimestampingUnit(SlowKey(UNIT.tsu.key), UNIT.tsu.certificate, (UNIT.ca.certificate,))
    authority = Authority(unit, lambda: MOMENT, policies=Policies(POLICY), log=log)

    async def ask() -> None:
        await asyncio.gather(*(authority.reply(QUERY) for _ in range(6)))

    asyncio.run(ask())
    assert sum(log.batches) == 6
    assert max(log.batches) <= 3


def test_a_caller_that_leaves_takes_no_other_along_and_stays_on_record() -> None:
    log = CountingLog()
    authority = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY), log=log)

    async def ask() -> bytes:
        leaving = asyncio.create_task(authority.reply(QUERY, Caller("leaving")))
        staying = asyncio.create_task(authority.reply(QUERY, Caller("staying")))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    assert granted(asyncio.run(ask()))
    assert [decision.caller.client_id for decision in log.decisions] == ["leaving", "staying"]


def test_a_record_that_fails_is_told_to_all_who_shared_it() -> None:
    log = CountingLog()
    log.full = True
    authority = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY), log=log)

    async def ask() -> list[bytes]:
        return await asyncio.gather(*(authority.reply(QUERY) for _ in range(5)))

    assert {refused(reply) for reply in asyncio.run(ask())} == {FailInfo.SYSTEM_FAILURE}
    log.full = False
    assert all(granted(reply) for reply in asyncio.run(ask()))


def test_a_loop_that_ends_leaves_nobody_waiting() -> None:
    log = CountingLog()
    authority = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY), log=log)

    async def leave() -> None:
        asyncio.create_task(authority.reply(QUERY))  # noqa: RUF006 - the end of the loop is what is tried
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert granted(asyncio.run(authority.reply(QUERY)))


def test_names_of_reasons() -> None:
    assert {reason: reason.rfc_name for reason in FailInfo} == FAIL_INFO
