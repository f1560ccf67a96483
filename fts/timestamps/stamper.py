"""Where the gateway's tokens come from: its own authority where it has one, or the configured one elsewhere.

Both ways (`fts.timestamps.stampers`) end in the same strict verification, without which no token is delivered.
"""
# ruff: noqa: PLC0415 - a process that makes no token loads nothing of what makes one

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fts.configuration import Configuration
from timestamping.clock import Clock

if TYPE_CHECKING:
    from fts.tsa.composition import ComposedAuthority
    from timestamping.authority.ports import Caller
    from timestamping.request import TimestampRequest
    from timestamping.verify import Report


@dataclass(frozen=True, slots=True)
class Stamped:
    """A verified token."""

    token: bytes
    """DER of the ContentInfo."""
    report: "Report"
    authority: str
    """Who gave it."""


class Stamper(Protocol):
    """Makes tokens."""

    async def stamp(self, request: "TimestampRequest", caller: "Caller") -> Stamped:
        """Return a verified token for a request.

        Raises:
            ProblemError: TIMESTAMP_REFUSED, with the failInfo; TIMESTAMP_SUSPENDED, the authority cannot issue now;
                TIMESTAMP_OPTION_REFUSED; TIMESTAMP_INVALID, the token did not pass.
            TimestampError: an authority elsewhere did not give one.
        """


@asynccontextmanager
async def stamping(configuration: Configuration, clock: Clock) -> AsyncIterator["Stampers"]:
    """Give the stamper of a process, and close what it holds at the end."""
    async with AsyncExitStack() as stack:
        own = None
        if configuration.timestamping is not None:
            from fts.tsa.composition import composed

            own = await stack.enter_async_context(composed(configuration.timestamping))
        yield Stampers(configuration, clock, own, stack)


class Stampers:
    """The stamper of a process, made at its first use."""

    def __init__(
        self, configuration: Configuration, clock: Clock, own: "ComposedAuthority | None", stack: AsyncExitStack
    ) -> None:
        self.own = own
        self._configuration = configuration
        self._clock = clock
        self._stack = stack
        self._made: Stamper | None = None
        self._lock = asyncio.Lock()

    async def stamper(self) -> Stamper:
        """Return the stamper."""
        async with self._lock:
            if self._made is None:
                from fts.composition import compose
                from fts.timestamps.stampers import OutsideAuthority, OwnAuthority

                settings = self._configuration.engine_settings()
                if self.own is not None:
                    self._made = OwnAuthority(self.own, settings.anchors, self._clock)
                else:
                    composition = await self._stack.enter_async_context(compose(settings, clock=self._clock))
                    self._made = OutsideAuthority(composition.timestamps, settings.anchors, self._clock)
            return self._made
