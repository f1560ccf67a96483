"""The doorbell of one machine: datagrams over sockets in one directory.

A process listens at `<tier>-<process id>`; ringing sends the subject to every listener of a tier.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fts.jobs.ports import Tier

_MOST_OCTETS: Final = 1024


class Bell:
    """One process's end (`fts.jobs.ports.Doorbell`)."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sender.setblocking(False)
        self._own: tuple[Path, asyncio.DatagramTransport] | None = None

    def ring(self, tier: Tier, subject: str) -> None:
        """See `Doorbell.ring`."""
        for path in self._directory.glob(f"{tier}-*"):
            try:
                self._sender.sendto(subject.encode()[:_MOST_OCTETS], self._address(path))
            except BlockingIOError:
                continue
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)

    async def listen(self, tier: Tier, hear: Callable[[str], None]) -> None:
        """See `Doorbell.listen`."""
        path = self._directory / f"{tier}-{os.getpid()}"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.setblocking(False)
        listener.bind(self._address(path))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(hear), sock=listener)
        self._own = (path, transport)

    def close(self) -> None:
        """See `Doorbell.close`."""
        if self._own is not None:
            path, transport = self._own
            transport.close()
            path.unlink(missing_ok=True)
            self._own = None
        self._sender.close()
        os.close(self._descriptor)

    def _address(self, path: Path) -> str:
        """Return a short form of the path: an address of a socket has at most 108 octets."""
        return f"/proc/self/fd/{self._descriptor}/{path.name}"


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[str], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, _address: object) -> None:
        self._hear(data.decode(errors="replace"))
