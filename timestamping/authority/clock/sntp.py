"""A time server asked by SNTP (RFC 5905, clause 14; RFC 4330, clause 5)."""

import asyncio
import logging
import math
import secrets
import struct
import time
from collections.abc import Callable
from typing import Final

from timestamping.authority.clock.ports import Leap, Sample, TimeSourceError

PORT: Final = 123
_PACKET: Final = struct.Struct("!BBbbIII QQQQ")
_CLIENT_VERSION_4: Final = 0x23
_SERVER: Final = 4
_MOST_STRATUM: Final = 15
_TO_NTP_EPOCH: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""
_ERA: Final = 1 << 32
"""Seconds of an era: the next begins on 2036-02-07."""
_SHORT: Final = 1 << 16
_FRACTION: Final = 1 << 32
_PRECISION_SECONDS: Final = 0.001
"""What reading our own clocks may add."""
_LEAST_GAP_SECONDS: Final = 8.0
"""Time between two queries that is waited at least after the first kiss RATE; doubled with each."""
_MOST_GAP_SECONDS: Final = 86_400.0
_SLOWER: Final = "RATE"
_NEVER_AGAIN: Final = ("DENY", "RSTR")

_LOG: Final = logging.getLogger("timestamping.clock")


class SntpSource:
    """One server. Only an operator names servers.

    A server's kiss-o'-death is obeyed (RFC 5905, clause 7.4): after RATE it is asked half as often, each time; after
    DENY or RSTR this process asks it no more. What other kisses say is no time, and nothing else.
    """

    def __init__(
        self,
        host: str,
        port: int = PORT,
        *,
        seconds: float = 2.0,
        interval_seconds: float = 60.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep where to ask.

        Args:
            host: name or address.
            port: of UDP.
            seconds: time that the server has to answer.
            interval_seconds: time between two queries where the server did not ask for more.
            wall: the clock that is compared.
            monotonic: elapsed time.
        """
        self._host = host
        self._port = port
        self._seconds = seconds
        self._interval = interval_seconds
        self._gap = 0.0
        self._not_before = -math.inf
        self._denied: str | None = None
        self._wall = wall
        self._monotonic = monotonic

    @property
    def name(self) -> str:
        return self._host if self._port == PORT else f"{self._host}:{self._port}"

    async def sample(self) -> Sample:
        """Ask once (see `TimeSource`).

        The transmit timestamp of the query is random: an answer that does not repeat it was not made for it.
        """
        self._obey()
        cookie = secrets.randbits(64) | 1
        query = _PACKET.pack(_CLIENT_VERSION_4, 0, 0, 0, 0, 0, 0, 0, 0, 0, cookie)
        loop = asyncio.get_running_loop()
        exchange = _Exchange(cookie, self._monotonic, loop.create_future())
        try:
            async with asyncio.timeout(self._seconds):
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: exchange, remote_addr=(self._host, self._port)
                )
                try:
                    sent, started = self._wall(), self._monotonic()
                    self._not_before = started + self._gap
                    transport.sendto(query)
                    answer, arrived = await exchange.answered
                finally:
                    transport.close()
        except TimeoutError as error:
            raise TimeSourceError(f"{self.name} did not answer within {self._seconds:g} s") from error
        except OSError as error:
            raise TimeSourceError(f"{self.name} cannot be asked: {error}") from error
        return self._read(answer, sent, arrived - started)

    def _obey(self) -> None:
        """Refuse to ask a server that does not want to be asked now."""
        if self._denied is not None:
            raise TimeSourceError(f"{self.name} is not asked any more: it answered {self._denied}")
        if (left := self._not_before - self._monotonic()) > 0:
            raise TimeSourceError(f"{self.name} is not asked for another {left:.0f} s: it answered {_SLOWER}")

    def _kissed(self, reference: int) -> str:
        """Take in a kiss-o'-death that answers our query, and return its code."""
        code = reference.to_bytes(4, "big").decode("ascii", "backslashreplace")
        if code in _NEVER_AGAIN:
            self._denied = code
            _LOG.error(
                "time server %s refuses this machine (%s) and is not asked any more. Remedy: agree with its operator, "
                "or name another server; then start again.",
                self.name,
                code,
            )
        elif code == _SLOWER:
            self._gap = min(max(2 * self._gap, 2 * self._interval, _LEAST_GAP_SECONDS), _MOST_GAP_SECONDS)
            self._not_before = self._monotonic() + self._gap
            _LOG.warning(
                "time server %s is asked too often (RATE); from now on at most each %.0f s. Remedy: a longer "
                "interval_seconds, or another server.",
                self.name,
                self._gap,
            )
        return code

    def _read(self, packet: bytes, sent: float, elapsed: float) -> Sample:
        head, stratum, _, precision, root_delay, root_dispersion, reference, _, _, received, transmitted = (
            _PACKET.unpack(packet[: _PACKET.size])
        )
        leap = Leap(head >> 6)
        if head & 7 != _SERVER:
            raise TimeSourceError(f"{self.name} did not answer as a server")
        if stratum == 0:
            raise TimeSourceError(f"{self.name} refuses ({self._kissed(reference)})")
        if stratum > _MOST_STRATUM or leap is Leap.UNSYNCHRONISED or not transmitted or not received:
            raise TimeSourceError(f"{self.name} has no time to give")
        there, back = _unix(received, sent), _unix(transmitted, sent)
        if back < there:
            raise TimeSourceError(f"{self.name} answered before it was asked")
        grain = _PRECISION_SECONDS + 2.0**precision
        if back - there > elapsed + grain:
            raise TimeSourceError(f"{self.name} held the query for longer than the answer took")
        delay = max(elapsed - (back - there), 0.0)
        offset = (sent + elapsed / 2) - (there + back) / 2
        error = delay / 2 + root_delay / _SHORT / 2 + root_dispersion / _SHORT + grain
        return Sample(offset, error, leap)


def _unix(timestamp: int, near: float) -> float:
    """Return an NTP timestamp as seconds since 1970, in the era that is nearest to `near` (RFC 5905, clause 6)."""
    seconds = timestamp / _FRACTION - _TO_NTP_EPOCH
    return seconds + round((near - seconds) / _ERA) * _ERA


class _Exchange(asyncio.DatagramProtocol):
    """Waits for the answer to one query, and passes over everything else that arrives."""

    def __init__(
        self,
        cookie: int,
        monotonic: Callable[[], float],
        answered: "asyncio.Future[tuple[bytes, float]]",
    ) -> None:
        self._cookie = cookie
        self._monotonic = monotonic
        self.answered = answered

    def datagram_received(self, data: bytes, _address: object) -> None:
        arrived = self._monotonic()
        ours = len(data) >= _PACKET.size and _PACKET.unpack(data[: _PACKET.size])[8] == self._cookie
        if ours and not self.answered.done():
            self.answered.set_result((data, arrived))

    def error_received(self, error: Exception) -> None:
        if not self.answered.done():
            self.answered.set_exception(error)
