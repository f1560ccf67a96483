"""Timestamping authorities that lie, expire, are revoked or change (T): an error each, never a lower level."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.demo_pki.asgi import ASGIApp, Message, Receive, Scope, Send, respond
from deploy.demo_pki.pki import DemoPki, Entity
from signing.ports import (
    CertificateRevokedError,
    Level,
    Profile,
)
from tests.attack.failing import (
    ABOVE_T,
    DOCUMENT,
    STAMPED,
    Failing,
)
from tests.support.line import POLICY, MovableClock, timestamping_app, unchecked_app
from timestamping import der
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey
from timestamping.authority.policies import Policies
from timestamping.authority.unit import TimestampingUnit
from timestamping.clock import utc_now
from timestamping.ports import TimestampError, TimestampInvalidError
from timestamping.request import parse_request


def serving(tsu: Entity) -> ASGIApp:
    return timestamping_app(tsu, utc_now)


@pytest.mark.parametrize("level", ABOVE_T)
def test_revoked_unit(failing: Failing, level: Level) -> None:
    tsu = failing.pki.issue_tsu(f"revoked-{level.lower()}")
    failing.pki.revoke(tsu.certificate)
    failing.tsa.current = serving(tsu)
    error = failing.refusal(CertificateRevokedError, level=level)
    assert error.party == tsu.certificate.subject.rfc4514_string()


@pytest.mark.parametrize("level", STAMPED)
def test_unit_whose_certificate_has_expired(failing: Failing, level: Level) -> None:
    now = utc_now()
    tsu = failing.pki.issue_tsu(
        f"expired-{level.lower()}", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1)
    )
    failing.tsa.current = serving(tsu)
    with pytest.raises(TimestampError, match="not valid now"):
        failing.line.sign(DOCUMENT, "p384", Profile(level))


@pytest.mark.parametrize("level", STAMPED)
@pytest.mark.parametrize("hours", [-1, 1])
def test_authority_an_hour_off(failing: Failing, hours: int, level: Level) -> None:
    clock = MovableClock()
    clock.offset_seconds = hours * 3600
    failing.tsa.current = timestamping_app(failing.pki.tsu, clock)
    error = failing.refusal(TimestampInvalidError, level=level)
    assert "s off our clock" in str(error)
    assert error.party == failing.place("/tsa")


class Liar:
    """Has the true authority stamp another query than the one that came in."""

    def __init__(self, tsu: Entity, change: Callable[[bytes], bytes]) -> None:
        unit = TimestampingUnit(SoftwareTsuKey(tsu.key), tsu.certificate, tsu.chain[:1])
        self._authority = Authority(unit, utc_now, policies=Policies(POLICY))
        self._change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message: Message = await receive()
        reply = await self._authority.reply(self._change(message["body"]))
        await respond(send, 200, reply, "application/timestamp-reply")


def other_nonce(query: bytes) -> bytes:
    nonce = parse_request(query).nonce
    assert nonce is not None
    return query.replace(der.integer(nonce), der.integer(nonce ^ 1))


def no_nonce(query: bytes) -> bytes:
    request = parse_request(query)
    imprint = der.sequence(der.sequence(der.oid(request.algorithm_oid), der.NULL), der.octet_string(request.imprint))
    return der.sequence(der.integer(1), imprint, der.TRUE)


def other_imprint(query: bytes) -> bytes:
    return query.replace(parse_request(query).imprint, secrets.token_bytes(32))


def no_certificate(query: bytes) -> bytes:
    return query.replace(der.TRUE, b"").replace(query[:2], bytes([query[0], query[1] - 3]), 1)


@pytest.mark.parametrize("change", [other_nonce, no_nonce, other_imprint, no_certificate], ids=lambda c: c.__name__)
@pytest.mark.parametrize("level", [Level.T, Level.LTA])
def test_authority_that_stamps_something_else(failing: Failing, change: Callable[[bytes], bytes], level: Level) -> None:
    failing.tsa.current = Liar(failing.pki.tsu, change)
    error = failing.refusal(TimestampInvalidError, level=level)
    assert error.code == "TIMESTAMP_INVALID"


def test_unit_with_the_true_certificate_and_another_key(failing: Failing) -> None:
    impostor = replace(failing.pki.tsu, key=ec.generate_private_key(ec.SECP256R1()))
    failing.tsa.current = unchecked_app(impostor, utc_now)
    assert "does not match" in str(failing.refusal(TimestampInvalidError))


def test_signer_that_stamps_for_himself(failing: Failing) -> None:
    failing.tsa.current = unchecked_app(failing.pki.signers["p384"], utc_now)
    assert "extended key usage" in str(failing.refusal(TimestampInvalidError))


class Changing:
    """An authority with another unit at each answer: `units` of them in turn."""

    def __init__(self, pki: DemoPki, units: int) -> None:
        self._apps = [serving(pki.issue_tsu(f"changing-{secrets.token_hex(4)}")) for _ in range(units)]
        self.answers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.answers += 1
        await self._apps[(self.answers - 1) % len(self._apps)](scope, receive, send)


def test_authority_that_never_uses_a_unit_twice(failing: Failing) -> None:
    """An archive timestamp whose own unit is not covered by the validation data is not accepted."""
    changing = Changing(failing.pki, 20)
    failing.tsa.current = changing
    error = failing.refusal(TimestampInvalidError)
    assert "another certificate each time" in str(error)
    assert error.party == failing.place("/tsa")
    assert changing.answers < 8


def test_authority_with_two_units(failing: Failing) -> None:
    failing.tsa.current = Changing(failing.pki, 2)
    signed = failing.line.sign(DOCUMENT)
    assert signed.report is not None
    assert signed.report.level is Level.LTA


def test_second_timestamp_fails(failing: Failing) -> None:
    """The signature timestamp was had, the archive timestamp is not: no level T, LT or LTA comes out."""

    class Once:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app
            self.answers = 0

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            self.answers += 1
            if self.answers == 1:
                await self._app(scope, receive, send)
            else:
                await respond(send, 503, b"down")

    failing.tsa.current = once = Once(failing.tsa.usual)
    with pytest.raises(TimestampError) as caught:
        failing.line.sign(DOCUMENT)
    assert (caught.value.code, caught.value.party) == ("TIMESTAMP_UNAVAILABLE", failing.place("/tsa"))
    assert once.answers > 1
