"""The composition root: from settings to the engines' ports, with one HTTP client and one clock for all of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from fts.outbound import Target, outbound_client
from fts.settings import Settings
from signing.trust.path import Path, TrustAnchors
from signing.trust.sources import RevocationSource
from signing.trust.validation_data import ValidationData, ValidationDataEngine
from timestamping.algorithms import DigestAlgorithm
from timestamping.client.failover import FailoverTimestampSource
from timestamping.clock import Clock, utc_now
from timestamping.ports import TimestampSource, TimestampUnavailableError, Token

Announce = Callable[[str], None]
"""Hears which trust service is asked now: "timestamp", "revocation" or "archive"."""


@dataclass(slots=True)
class Composition:
    """The wired engines of one process."""

    anchors: TrustAnchors
    engine: ValidationDataEngine
    timestamps: TimestampSource
    clock: Clock
    _steps: "_Steps"

    def announce_to(self, listener: Announce) -> None:
        """Tell `listener` from now on, and nobody else, which trust service is asked."""
        self._steps.begin(listener)

    def announce(self, step: str) -> None:
        """Tell the listener about another step."""
        self._steps.announce(step)


@asynccontextmanager
async def compose(settings: Settings, *, clock: Clock = utc_now) -> AsyncIterator[Composition]:
    """Wire the engines, and close what they hold at the end."""
    urls = [*settings.allowed_urls, *(tsa.url for tsa in settings.tsas)]
    steps = _Steps()
    async with outbound_client(allowed=[Target.of(url) for url in urls]) as client:
        anchors = TrustAnchors(settings.anchors)
        source: TimestampSource = _NoAuthority()
        if settings.tsas:
            source = FailoverTimestampSource(client, settings.tsas, anchors=settings.anchors, clock=clock)
        yield Composition(
            anchors,
            _AnnouncedEngine(anchors, RevocationSource(client, clock), steps),
            _AnnouncedSource(source, steps),
            clock,
            steps,
        )


class _Steps:
    """Names the calls of one signature: the first token is the signature's, later ones are the archive's."""

    def __init__(self) -> None:
        self.begin(lambda _step: None)

    def begin(self, listener: Announce) -> None:
        self._listener = listener
        self._tokens = 0

    def token(self) -> None:
        self._listener("archive" if self._tokens else "timestamp")
        self._tokens += 1

    def revocation(self) -> None:
        self._listener("revocation")

    def announce(self, step: str) -> None:
        self._listener(step)


class _AnnouncedSource:
    def __init__(self, source: TimestampSource, steps: _Steps) -> None:
        self._source = source
        self._steps = steps

    @property
    def name(self) -> str:
        return self._source.name

    async def timestamp(self, imprint: bytes, algorithm: DigestAlgorithm) -> Token:
        self._steps.token()
        return await self._source.timestamp(imprint, algorithm)


class _AnnouncedEngine(ValidationDataEngine):
    def __init__(self, anchors: TrustAnchors, source: RevocationSource, steps: _Steps) -> None:
        super().__init__(anchors, source)
        self._steps = steps

    async def for_signer(self, path: Path, signed_at: datetime, data: ValidationData) -> None:
        self._steps.revocation()
        await super().for_signer(path, signed_at, data)


class _NoAuthority:
    """Stands where no timestamping authority is configured."""

    name = "no timestamping authority"

    async def timestamp(self, imprint: bytes, algorithm: DigestAlgorithm) -> Token:
        raise TimestampUnavailableError("no timestamping authority is configured", party=self.name)
