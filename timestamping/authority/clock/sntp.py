"""A time server asked by SNTP (RFC 5905, clause 14; RFC 4330, clause 5)."""

import asyncio
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


class SntpSource:
    """One server. Only an operator names servers."""

    def __init__(
        self,
        host: str,
        port: int = PORT,
        *,
        seconds: float = 2.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep where to ask; `seconds` is the time that the server has to answer."""
        self._host = host
        self._port = port
        self._seconds = seconds
        self._wall = wall
        self._monotonic = monotonic

    @property
    def name(self) -> str:
        return self._host if self._port == PORT else f"{self._host}:{self._port}"

    async def sample(self) -> Sample:
        """Ask once (see `TimeSource`).

        The transmit timestamp of the query is random: an answer that does not repeat it was not made for it.
        """
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
                    transport.sendto(query)
                    answer, arrived = await exchange.answered
                finally:
                    transport.close()
        except TimeoutError as error:
            raise TimeSourceError(f"{self.name} did not answer within {self._seconds:g} s") from error
        except OSError as error:
            raise TimeSourceError(f"{self.name} cannot be asked: {error}") from error
        return self._read(answer, sent, arrived - started)

    def _read(self, packet: bytes, sent: float, elapsed: float) -> Sample:
        head, stratum, _, precision, root_delay, root_dispersion, reference, _, _, received, transmitted = (
            _PACKET.unpack(packet[: _PACKET.size])
        )
        leap = Leap(head >> 6)
        if head & 7 != _SERVER:
            raise TimeSourceError(f"{self.name} did not answer as a server")
        if stratum == 0:
            code = reference.to_bytes(4, "big").decode("ascii", "replace")
            raise TimeSourceError(f"{self.name} refuses ({code})")
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
