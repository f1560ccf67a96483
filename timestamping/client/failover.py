"""Several timestamping authorities in order: a valid token, whatever one of them does (FTS-TS-2)."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import httpx
from cryptography import x509

from timestamping.algorithms import DigestAlgorithm
from timestamping.client.attempts import Attempt, Outcome, failure, outcome_of
from timestamping.client.breaker import Breaker, BreakerState, RateKeeper
from timestamping.client.http import HttpTimestampSource
from timestamping.client.settings import ClientLimits, TsaSettings
from timestamping.clock import Clock
from timestamping.path import NoPathError, find_path
from timestamping.ports import TimestampError, TimestampInvalidError, TimestampUnavailableError, Token
from timestamping.token import states_qualified

_LIMITS: Final = ClientLimits()
_LOG: Final = logging.getLogger("timestamping.client")


@dataclass(frozen=True, slots=True)
class Health:
    """How an authority fared so far, in this process."""

    url: str
    state: BreakerState
    granted: int
    failed: int
    last_granted_at: datetime | None
    last_seconds: float | None
    """How long its last answer took."""


@dataclass(slots=True)
class _Tsa:
    settings: TsaSettings
    source: HttpTimestampSource
    breaker: Breaker
    rate: RateKeeper | None
    granted: int = 0
    failed: int = 0
    last_granted_at: datetime | None = None
    last_seconds: float | None = None


@dataclass(slots=True)
class _Call:
    """One timestamp that is wanted."""

    imprint: bytes
    algorithm: DigestAlgorithm
    ends_at: float
    last_resort: bool = False
    """Whether all authorities are left alone, and are asked nevertheless."""
    attempts: list[Attempt] = field(default_factory=list)


class FailoverTimestampSource:
    """A `TimestampSource` that asks the next authority where one fails, also with an invalid answer.

    First each authority is asked once, in order; then those whose failure may pass, again. One that failed repeatedly
    is left alone, until one request finds it working; it is asked all the same where there is no other. The first
    authority is the first again as soon as it works. What is known of the authorities lives as long as the object.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        tsas: Sequence[TsaSettings],
        *,
        anchors: Sequence[x509.Certificate],
        clock: Clock,
        limits: ClientLimits = _LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Take the authorities in order. With `anchors`, a token's unit must lead to one of them at its time.

        Raises:
            ValueError: there is no authority, or one stands there twice.
        """
        if not tsas or len({tsa.url for tsa in tsas}) != len(tsas):
            raise ValueError("at least one timestamping authority is needed, and each once")
        self._anchors = tuple(anchors)
        self._clock = clock
        self._limits = limits
        self._monotonic = monotonic
        self._jitter = jitter
        self._tsas = [
            _Tsa(
                tsa,
                HttpTimestampSource(
                    client,
                    tsa.url,
                    policy=tsa.policy,
                    header=tsa.header,
                    connect_seconds=tsa.connect_seconds,
                    limits=limits,
                ),
                Breaker(limits, monotonic, jitter),
                None if tsa.rate is None else RateKeeper(tsa.rate, monotonic),
            )
            for tsa in tsas
        ]

    @property
    def name(self) -> str:
        return ", ".join(tsa.settings.url for tsa in self._tsas)

    @property
    def health(self) -> list[Health]:
        """How each authority fared, in order."""
        return [
            Health(tsa.settings.url, tsa.breaker.state, tsa.granted, tsa.failed, tsa.last_granted_at, tsa.last_seconds)
            for tsa in self._tsas
        ]

    async def timestamp(self, imprint: bytes, algorithm: DigestAlgorithm) -> Token:
        """Return a verified token over `imprint`, within the deadline (see `TimestampSource`).

        Raises:
            TimestampError: none could be had; `attempts` has what became of each request.
        """
        call = _Call(imprint, algorithm, self._monotonic() + self._limits.deadline_seconds)
        for number in range(self._limits.attempts):
            for tsa in self._turn(call, number):
                if number and not await self._pause(call, tsa):
                    continue
                token = await self._attempt(call, tsa)
                if token is not None:
                    return token
        raise failure(call.attempts)

    def _turn(self, call: _Call, number: int) -> list[_Tsa]:
        """Return whom to ask in a round: first all that are not left alone, then those whose failure may pass."""
        if number:
            last = {attempt.party: attempt for attempt in call.attempts}
            return [tsa for tsa in self._tsas if last[tsa.settings.url].may_pass]
        working = [tsa for tsa in self._tsas if tsa.breaker.state is not BreakerState.OPEN]
        for tsa in self._tsas:
            if working and tsa not in working:
                call.attempts.append(self._left_alone(tsa))
        call.last_resort = not working
        return working or self._tsas

    async def _pause(self, call: _Call, tsa: _Tsa) -> bool:
        """Wait before an authority is asked again; say whether it is worth it."""
        error = next(each.error for each in reversed(call.attempts) if each.party == tsa.settings.url)
        asked = error.retry_after_seconds if isinstance(error, TimestampUnavailableError) else None
        pause = self._limits.retry_seconds * (0.5 + self._jitter()) if asked is None else asked
        if pause > self._limits.most_retry_after_seconds or self._monotonic() + pause >= call.ends_at:
            return False
        await asyncio.sleep(pause)
        return True

    async def _attempt(self, call: _Call, tsa: _Tsa) -> Token | None:
        left = call.ends_at - self._monotonic()
        if left <= 0:
            call.attempts.append(self._passed_over(tsa, Outcome.TIMEOUT, "was not asked: the time is over"))
            return None
        if (turn := tsa.breaker.enter(even_if_open=call.last_resort)) is None:
            call.attempts.append(self._left_alone(tsa))
            return None
        if tsa.rate is not None and not tsa.rate.enter():
            call.attempts.append(self._passed_over(tsa, Outcome.RATE, "was not asked: our rate for it is used up"))
            tsa.breaker.abandoned(turn)
            return None
        began = self._monotonic()
        try:
            longest = tsa.settings.attempt_seconds or self._limits.attempt_seconds
            token = await self._asked(call, tsa, min(left, longest))
        except TimestampError as error:
            attempt = Attempt(tsa.settings.url, outcome_of(error), error, self._monotonic() - began)
            call.attempts.append(attempt)
            tsa.failed += 1
            tsa.last_seconds = attempt.seconds
            _LOG.warning("timestamp %s after %.1f s: %s", attempt.outcome, attempt.seconds, error)
            before = tsa.breaker.state
            if attempt.counts_against:
                tsa.breaker.failed(turn)
            else:
                tsa.breaker.abandoned(turn)
            if before is BreakerState.CLOSED and tsa.breaker.state is BreakerState.OPEN:
                _LOG.error("%s failed repeatedly and is left alone for a while", tsa.settings.url)
            return None
        except BaseException:
            tsa.breaker.abandoned(turn)
            raise
        if tsa.breaker.state is not BreakerState.CLOSED:
            _LOG.warning("%s works again", tsa.settings.url)
        tsa.breaker.succeeded()
        tsa.granted += 1
        tsa.last_granted_at = self._clock()
        tsa.last_seconds = self._monotonic() - began
        return token

    async def _asked(self, call: _Call, tsa: _Tsa, seconds: float) -> Token:
        url = tsa.settings.url
        try:
            async with asyncio.timeout(seconds):
                token = await tsa.source.timestamp(call.imprint, call.algorithm)
        except TimeoutError as error:
            raise TimestampUnavailableError(
                f"{url} did not answer within {seconds:.1f} s", party=url, unreachable=True, timed_out=True
            ) from error
        except TimestampInvalidError as error:
            raise TimestampInvalidError(
                f"{url}: {error}" if url not in str(error) else str(error), party=url
            ) from error
        self._check(token, tsa.settings)
        return token

    def _check(self, token: Token, tsa: TsaSettings) -> None:
        """Check what a token's own octets do not tell: its time, whom it leads to, and what this authority owes us."""
        url = tsa.url
        off = abs((token.gen_time - self._clock()).total_seconds())
        if off > self._limits.clock_difference_seconds:
            stated = f"{token.gen_time:%Y-%m-%d %H:%M:%SZ}, {off:.0f} s off our clock"
            raise TimestampInvalidError(f"{url} stamps with the time {stated}", party=url)
        for anchors in (self._anchors, tsa.anchors):
            try:
                if anchors:
                    find_path(token.tsu_certificate, anchors, token.certificates, token.gen_time)
            except NoPathError as error:
                raise TimestampInvalidError(f"{url}: the unit is not trusted: {error}", party=url) from error
        if tsa.qualified_required and not states_qualified(token):
            text = "does not state that the timestamp is a qualified one (EN 319 422, clause 9)"
            raise TimestampInvalidError(f"{url} {text}", party=url)

    def _left_alone(self, tsa: _Tsa) -> Attempt:
        return self._passed_over(tsa, Outcome.LEFT_ALONE, "failed repeatedly and is left alone")

    def _passed_over(self, tsa: _Tsa, outcome: Outcome, why: str) -> Attempt:
        url = tsa.settings.url
        return Attempt(url, outcome, TimestampUnavailableError(f"{url} {why}", party=url), 0.0)
