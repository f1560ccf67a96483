"""A time server on loopback, honest or with one fault (RFC 5905)."""

import socket
import struct
import threading
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

_PACKET: Final = struct.Struct("!BBbbIII QQQQ")
_EPOCH: Final = 2_208_988_800


@dataclass(frozen=True, slots=True)
class Manners:
    """How the server answers."""

    ahead_seconds: float = 0.0
    """How far its clock is before ours."""
    silent: bool = False
    mode: int = 4
    stratum: int = 2
    leap: int = 0
    reference: bytes = b"\x7f\0\0\1"
    root_delay_seconds: float = 0.0
    root_dispersion_seconds: float = 0.001
    repeats_cookie: bool = True
    cut_to: int = 48
    waits_seconds: float = 0.0
    without_time: bool = False
    holds_seconds: float = 0.0
    """How long it claims to have held the query, beyond the truth."""


class SntpServer:
    """Answers on a port of its own, in a thread, until the end of the block."""

    def __init__(self, manners: Manners = Manners()) -> None:
        self.manners = manners
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def behave(self, **changes: object) -> None:
        """Answer otherwise from now on."""
        self.manners = replace(self.manners, **changes)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                query, address = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            self.asked += 1
            if not self.manners.silent:
                self._socket.sendto(self._answer(query), address)

    def _answer(self, query: bytes) -> bytes:
        manners = self.manners
        received = _ntp(time.time() + manners.ahead_seconds)
        time.sleep(manners.waits_seconds)
        cookie = _PACKET.unpack(query)[10]
        packet = _PACKET.pack(
            manners.leap << 6 | 4 << 3 | manners.mode,
            manners.stratum,
            0,
            -20,
            int(manners.root_delay_seconds * 65536),
            int(manners.root_dispersion_seconds * 65536),
            int.from_bytes(manners.reference, "big"),
            received,
            cookie if manners.repeats_cookie else cookie ^ 2,
            0 if manners.without_time else received,
            0 if manners.without_time else _ntp(time.time() + manners.ahead_seconds + manners.holds_seconds),
        )
        return packet[: manners.cut_to]


def _ntp(seconds: float) -> int:
    return int((seconds + _EPOCH) * (1 << 32)) & ((1 << 64) - 1)
