"""The client before authorities that do everything wrong that one can (FTS-TS-2; O-4; T-1…T-6 at receipt)."""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.demo_pki.pki import Entity
from fts.outbound import OutboundLimits, Target, outbound_client
from signing.ports import Level
from tests.conformance.defective_tokens import Defect, reply
from tests.samples.sound_content import fifty_kb
from tests.support.fake_tsa import FakeTsa, Manner, fake_tsa, fake_tsa_apart
from tests.support.line import POLICY, Line
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.decision import FailInfo, rejection
from timestamping.client.attempts import Outcome
from timestamping.client.breaker import BreakerState
from timestamping.client.failover import FailoverTimestampSource
from timestamping.client.settings import ClientLimits, Rate, TsaSettings
from timestamping.clock import utc_now
from timestamping.ports import (
    TimestampError,
    TimestampInvalidError,
    TimestampRejectedError,
    TimestampUnavailableError,
    Token,
)
from timestamping.request import parse_request

T = TypeVar("T")
LIMITS = ClientLimits(attempt_seconds=0.5, deadline_seconds=4.0, retry_seconds=0.05)
SHA256 = DigestAlgorithm.SHA256
IMPRINT = SHA256.digest(b"what is stamped")


@dataclass
class Scene:
    tsu: Entity
    line: Line

    def good(self, **changes: Any) -> Manner:
        return Manner(self.token(lambda _parts: None), **changes)

    def bad(self, defect: Defect) -> Manner:
        return Manner(self.token(defect))

    def token(self, defect: Defect) -> Callable[[bytes], bytes]:
        return lambda query: reply(query, self.tsu, defect)

    def source(self, client: httpx.AsyncClient, *tsas: FakeTsa | str, **options: Any) -> FailoverTimestampSource:
        urls = [tsa if isinstance(tsa, str) else tsa.url for tsa in tsas]
        options = {"limits": LIMITS, "jitter": lambda: 0.5, "anchors": [self.line.pki.root.certificate]} | options
        rates = options.pop("rates", {})
        settings = [TsaSettings(url, options.get("policy"), rates.get(number)) for number, url in enumerate(urls)]
        options.pop("policy", None)
        return FailoverTimestampSource(client, settings, clock=utc_now, **options)


@pytest.fixture
def scene(full_line: Line) -> Scene:
    return Scene(full_line.pki.tsu, full_line)


def run(work: Callable[[httpx.AsyncClient], Coroutine[Any, Any, T]], *ports: int) -> T:
    async def inside() -> T:
        allowed = [Target("127.0.0.1", port) for port in ports or range(1024, 65536)]
        async with outbound_client(allowed=allowed, limits=OutboundLimits(total_seconds=10)) as client:
            return await work(client)

    return asyncio.run(inside())


def text(status: int, body: bytes = b"<html>no</html>", *headers: str) -> Manner:
    return Manner(lambda _query: body, status, "text/html", headers)


def rejecting(info: FailInfo) -> Manner:
    return Manner(lambda _query: rejection(info, "no"))


def rejecting_bit(bit: int) -> Manner:
    octets, rest = divmod(bit, 8)
    flags = der.tlv(0x03, bytes((7 - rest,)) + bytes(octets) + bytes((0x80 >> rest,)))
    return Manner(lambda _query: der.sequence(der.sequence(der.integer(2), flags)))


def other_key(parts: Any) -> None:
    parts.key = ec.generate_private_key(ec.SECP256R1())


def moved(offset: timedelta) -> Defect:
    return lambda parts: parts.info.update(gen_time=parts.info["gen_time"] + offset)


def untrusted(scene: Scene) -> Manner:
    """A token without the issuer: nothing leads to the anchor."""
    return scene.bad(lambda parts: parts.certificates.pop())


MODES: dict[str, tuple[Callable[[Scene], Manner], Outcome, int]] = {
    "slow": (lambda s: s.good(before_seconds=2.0), Outcome.TIMEOUT, 2),
    "drip": (lambda s: s.good(drip_seconds=0.05), Outcome.TIMEOUT, 2),
    "reset": (lambda s: s.good(reset=True), Outcome.UNREACHABLE, 2),
    "cut": (lambda s: s.good(cut=True), Outcome.UNREACHABLE, 2),
    "400": (lambda _: text(400), Outcome.HTTP_STATUS, 1),
    "401": (lambda _: text(401), Outcome.HTTP_STATUS, 1),
    "403": (lambda _: text(403), Outcome.HTTP_STATUS, 1),
    "429": (lambda _: text(429), Outcome.HTTP_STATUS, 2),
    "500": (lambda _: text(500), Outcome.HTTP_STATUS, 2),
    "503": (lambda _: text(503), Outcome.HTTP_STATUS, 2),
    "redirect": (lambda _: text(302, b"", "location: http://127.0.0.1:1/tsa"), Outcome.HTTP_STATUS, 1),
    "html": (lambda _: text(200), Outcome.NO_REPLY, 1),
    "wrong type": (lambda s: s.good(media_type="application/octet-stream"), Outcome.NO_REPLY, 1),
    "huge": (lambda _: Manner(lambda _query: bytes(3 * 1024 * 1024)), Outcome.NO_REPLY, 1),
    "trailing octets": (lambda s: s.bad(lambda p: setattr(p, "behind", b"\0")), Outcome.NO_REPLY, 1),
    "badAlg": (lambda _: rejecting(FailInfo.BAD_ALG), Outcome.REJECTED, 1),
    "badRequest": (lambda _: rejecting(FailInfo.BAD_REQUEST), Outcome.REJECTED, 1),
    "badDataFormat": (lambda _: rejecting(FailInfo.BAD_DATA_FORMAT), Outcome.REJECTED, 1),
    "timeNotAvailable": (lambda _: rejecting(FailInfo.TIME_NOT_AVAILABLE), Outcome.REJECTED, 2),
    "unacceptedPolicy": (lambda _: rejecting(FailInfo.UNACCEPTED_POLICY), Outcome.REJECTED, 1),
    "unacceptedExtension": (lambda _: rejecting(FailInfo.UNACCEPTED_EXTENSION), Outcome.REJECTED, 1),
    "addInfoNotAvailable": (lambda _: rejecting_bit(17), Outcome.REJECTED, 1),
    "systemFailure": (lambda _: rejecting(FailInfo.SYSTEM_FAILURE), Outcome.REJECTED, 2),
    "wrong nonce": (lambda s: s.bad(lambda p: p.info.update(nonce=p.info["nonce"] + 1)), Outcome.INVALID, 1),
    "no nonce": (lambda s: s.bad(lambda p: p.info.update(nonce=None)), Outcome.INVALID, 1),
    "wrong imprint": (
        lambda s: s.bad(lambda p: p.info["message_imprint"].__setitem__("hashed_message", bytes(32))),
        Outcome.INVALID,
        1,
    ),
    "wrong policy": (lambda s: s.bad(lambda p: p.info.update(policy="2.25.1")), Outcome.INVALID, 1),
    "bad signature": (lambda s: s.bad(other_key), Outcome.INVALID, 1),
    "wrong unit": (lambda s: Scene(s.line.pki.signers["p256"], s.line).good(), Outcome.INVALID, 1),
    "an hour ahead": (lambda s: s.bad(moved(timedelta(hours=1))), Outcome.INVALID, 1),
    "an hour behind": (lambda s: s.bad(moved(timedelta(hours=-1))), Outcome.INVALID, 1),
    "no way to the anchor": (untrusted, Outcome.INVALID, 1),
}
"""Manner, kind of the attempt, and how often it is asked where there is no other."""


@pytest.mark.parametrize("mode", MODES)
def test_alone_it_is_an_error_that_says_what_was(scene: Scene, mode: str) -> None:
    manner, outcome, times = MODES[mode]

    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(manner(scene)) as tsa:
            source = scene.source(client, tsa, policy=POLICY)
            started = time.monotonic()
            with pytest.raises(TimestampError) as caught:
                await source.timestamp(IMPRINT, SHA256)
            assert time.monotonic() - started < LIMITS.deadline_seconds
            assert tsa.asked == times
            assert [attempt.outcome for attempt in caught.value.attempts] == [outcome] * times
            assert caught.value.party == tsa.url
            assert tsa.url in str(caught.value)
            kinds = {Outcome.REJECTED: TimestampRejectedError, Outcome.INVALID: TimestampInvalidError}
            assert type(caught.value) is kinds.get(outcome, TimestampUnavailableError)
            nonces = {parse_request(query).nonce for query in tsa.queries}
            assert len(nonces) == times, "each request has a nonce of its own"

    run(work)


@pytest.mark.parametrize("mode", MODES)
def test_the_next_one_is_asked_at_once(scene: Scene, mode: str) -> None:
    manner, _outcome, _times = MODES[mode]

    async def work(client: httpx.AsyncClient) -> Token:
        async with fake_tsa(manner(scene)) as first, fake_tsa(scene.good()) as second:
            token = await scene.source(client, first, second, policy=POLICY).timestamp(IMPRINT, SHA256)
            assert (first.asked, second.asked) == (1, 1)
            return token

    assert run(work).imprint == IMPRINT


@pytest.mark.parametrize("changes", [{"media_type": "Application/Timestamp-Reply; charset=x"}, {}])
def test_what_is_right_in_another_form(scene: Scene, changes: dict[str, str]) -> None:
    async def work(client: httpx.AsyncClient) -> Token:
        with_mods = scene.token(lambda parts: setattr(parts, "status", 1))
        manner = replace(scene.good(**changes), answer=with_mods)
        async with fake_tsa(manner) as tsa:
            return await scene.source(client, tsa).timestamp(IMPRINT, SHA256)

    assert run(work).imprint == IMPRINT


def test_nobody_listens_and_no_such_name(scene: Scene) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def work(client: httpx.AsyncClient) -> TimestampError:
        source = scene.source(client, f"http://127.0.0.1:{port}/", "http://tsa.invalid/")
        with pytest.raises(TimestampUnavailableError) as caught:
            await source.timestamp(IMPRINT, SHA256)
        return caught.value

    error = run(work)
    assert len(error.attempts) == 4
    assert "tsa.invalid" in error.party
    assert str(port) in error.party


def test_what_passes_is_tried_again(scene: Scene) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(text(503), scene.good()) as tsa:
            assert (await scene.source(client, tsa).timestamp(IMPRINT, SHA256)).imprint == IMPRINT
            assert tsa.asked == 2

    run(work)


@pytest.mark.parametrize(("asked", "waits"), [("1", True), ("60", False), ("tomorrow", True)])
def test_retry_after(scene: Scene, asked: str, waits: bool) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(text(429, b"", f"retry-after: {asked}"), scene.good()) as tsa:
            source = scene.source(client, tsa)
            started = time.monotonic()
            if waits:
                await source.timestamp(IMPRINT, SHA256)
                assert time.monotonic() - started > (1.0 if asked == "1" else 0.04)
            else:
                with pytest.raises(TimestampUnavailableError):
                    await source.timestamp(IMPRINT, SHA256)
                assert time.monotonic() - started < 1.0
            assert tsa.asked == 1 + waits

    run(work)


def test_the_deadline_is_over_all(scene: Scene) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        slow = scene.good(before_seconds=5.0)
        async with fake_tsa(slow) as one, fake_tsa(slow) as two, fake_tsa(slow) as three:
            limits = replace(LIMITS, attempt_seconds=0.6, deadline_seconds=1.0)
            started = time.monotonic()
            with pytest.raises(TimestampUnavailableError) as caught:
                await scene.source(client, one, two, three, limits=limits).timestamp(IMPRINT, SHA256)
            assert 0.9 < time.monotonic() - started < 1.4
            assert len(caught.value.attempts) >= 3
            assert three.asked == 0

    run(work)


def test_the_breaker(scene: Scene) -> None:
    """Opens after three failures, lets one request try, and comes back to the first authority."""
    elapsed = [0.0]

    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(*[text(500)] * 4, scene.good()) as first, fake_tsa(scene.good()) as second:
            source = scene.source(client, first, second, monotonic=lambda: elapsed[0])
            for _ in range(3):
                await source.timestamp(IMPRINT, SHA256)
            assert (first.asked, second.asked) == (3, 3)
            assert source.health[0].state is BreakerState.OPEN
            await source.timestamp(IMPRINT, SHA256)
            assert (first.asked, second.asked) == (3, 4), "left alone"
            elapsed[0] += LIMITS.open_seconds
            assert source.health[0].state is BreakerState.HALF_OPEN
            await asyncio.gather(*(source.timestamp(IMPRINT, SHA256) for _ in range(5)))
            assert first.asked == 4, "one request tries"
            assert source.health[0].state is BreakerState.OPEN
            elapsed[0] += LIMITS.open_seconds
            await source.timestamp(IMPRINT, SHA256)
            assert first.asked == 4, "the pause is twice as long now"
            elapsed[0] += LIMITS.open_seconds
            before = second.asked
            await source.timestamp(IMPRINT, SHA256)
            await source.timestamp(IMPRINT, SHA256)
            assert (first.asked, second.asked) == (6, before), "the first is the first again"
            health = source.health[0]
            assert (health.state, health.granted, health.failed) == (BreakerState.CLOSED, 2, 4)

    run(work)


def test_left_alone_and_yet_asked_where_there_is_no_other(scene: Scene) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(*[text(500)] * 4, scene.good()) as tsa:
            source = scene.source(client, tsa)
            for _ in range(2):
                with pytest.raises(TimestampUnavailableError):
                    await source.timestamp(IMPRINT, SHA256)
            assert source.health[0].state is BreakerState.OPEN
            await source.timestamp(IMPRINT, SHA256)
            assert source.health[0].state is BreakerState.CLOSED

    run(work)


def test_a_refusal_of_the_request_leaves_the_authority_in_use(scene: Scene) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(rejecting(FailInfo.UNACCEPTED_POLICY)) as first, fake_tsa(scene.good()) as second:
            source = scene.source(client, first, second)
            for _ in range(5):
                await source.timestamp(IMPRINT, SHA256)
            assert (first.asked, source.health[0].state) == (5, BreakerState.CLOSED)

    run(work)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404])
def test_an_authority_that_blocks_us_is_left_alone(scene: Scene, status: int) -> None:
    """4.2, rows 7 and 8: some block for a day, and say HTTP 400; to go on asking makes it longer."""

    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(text(status)) as first, fake_tsa(scene.good()) as second:
            source = scene.source(client, first, second)
            for _ in range(10):
                await source.timestamp(IMPRINT, SHA256)
            assert (first.asked, source.health[0].state) == (LIMITS.failures_to_open, BreakerState.OPEN)

    run(work)


def test_our_own_rate_is_kept(scene: Scene) -> None:
    elapsed = [0.0]

    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(scene.good()) as first, fake_tsa(scene.good()) as second:
            source = scene.source(client, first, second, rates={0: Rate(2, 60.0)}, monotonic=lambda: elapsed[0])
            for _ in range(5):
                await source.timestamp(IMPRINT, SHA256)
            assert (first.asked, second.asked) == (2, 3)
            elapsed[0] += 60.0
            await source.timestamp(IMPRINT, SHA256)
            assert first.asked == 3

    run(work)


def test_two_at_once_never_mix_their_authorities(scene: Scene) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(scene.good(before_seconds=0.01)) as one, fake_tsa(scene.good()) as other:
            limits = replace(LIMITS, attempt_seconds=5.0, deadline_seconds=9.0)
            sources = {tsa.port: scene.source(client, tsa, limits=limits) for tsa in (one, other)}
            wanted = {tsa.port: [secrets.token_bytes(32) for _ in range(20)] for tsa in (one, other)}
            await asyncio.gather(
                *(sources[port].timestamp(imprint, SHA256) for port in wanted for imprint in wanted[port])
            )
            for tsa in (one, other):
                assert {parse_request(query).imprint for query in tsa.queries} == set(wanted[tsa.port])

    run(work)


@dataclass
class Redundant(Line):
    """A signing line that asks other authorities first."""

    before: tuple[str, ...] = ()

    def timestamps(self, client: httpx.AsyncClient) -> FailoverTimestampSource:  # type: ignore[override]
        tsas = [TsaSettings(url) for url in (*self.before, f"{self.pki.base_url}/tsa")]
        return FailoverTimestampSource(client, tsas, anchors=[self.pki.root.certificate], clock=utc_now, limits=LIMITS)

    def run(self, work: Callable[[httpx.AsyncClient], Coroutine[Any, Any, T]]) -> T:
        return run(work)


@pytest.mark.parametrize("mode", ["reset", "slow", "503", "wrong imprint", "bad signature", "no way to the anchor"])
def test_a_signature_is_at_level_lta_all_the_same(scene: Scene, mode: str) -> None:
    """O-4: the first authority is down, slow or wrong; the signature has its level, within seconds."""
    line = scene.line
    with fake_tsa_apart(MODES[mode][0](scene)) as first:
        redundant = Redundant(line.pki, line.app, line.directory, line.server_clock, before=(first.url,))
        started = time.monotonic()
        signed = redundant.sign(fifty_kb())
        assert time.monotonic() - started < 5
        assert first.asked == 2, "for the signature's and for the archive's"
    assert signed.report is not None
    assert signed.report.level is Level.LTA


def test_none_and_twice(scene: Scene) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        for tsas in ((), ("http://tsa.example/", "http://tsa.example/")):
            with pytest.raises(ValueError, match="authority"):
                scene.source(client, *tsas)

    run(work)
