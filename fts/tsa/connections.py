"""What one caller may hold open at an authority that stands alone, so that nobody keeps the others out (FTS-TS-4).

A connection takes memory and a descriptor before it asks for anything. Each agreed client has so many of them in a
worker, all strangers together have few, and one that neither ends its request nor takes its answer is closed.
"""

import asyncio
import logging
import resource
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one worker."""

    most: int = 4_096
    """Connections of everybody."""
    most_of_a_client: int = 256
    """Of one agreed client; of one address, where the door is open."""
    most_of_strangers: int = 32
    """Of all addresses together that are not agreed; they are told 403."""
    most_unread_octets: int = 512 * 1024
    """What a head, or what follows a body, may have; one piece that the loop reads has at most 256 KiB."""
    most_seconds: int = 20
    """From the connection, or from the first octet of a request, to the end of its answer. A query has 10 s of them."""


_LIMITS: Final = ConnectionLimits()
_OTHER_DESCRIPTORS: Final = 128
"""What a worker opens beside connections: records, token, libraries."""
_STRANGERS: Final = "strangers"
_TOLD_SECONDS: Final = 60.0
_BUSY: Final = (
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\ncontent-length: 36\r\n\r\nthere are too many open connections\n"
)

_LOG: Final = logging.getLogger("fts.tsa")

Owner = Callable[[str | None], str | None]
"""Says to whom an address belongs; None is a stranger."""


class Connections:
    """Who holds how many."""

    def __init__(self, owner: Owner, limits: ConnectionLimits = _LIMITS) -> None:
        self.limits = limits
        self._owner = owner
        self._held: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    def enter(self, address: str | None) -> str | None:
        """Count a new connection and return who holds it; None where that is one too many."""
        owner = self._owner(address)
        holder = _STRANGERS if owner is None else owner
        most = self.limits.most_of_strangers if owner is None else self.limits.most_of_a_client
        if self._held[holder] >= most or self._held.total() >= self.limits.most:
            self._tell(holder)
            return None
        self._held[holder] += 1
        return holder

    def leave(self, holder: str) -> None:
        """Count the end of a connection."""
        self._held[holder] -= 1
        if not self._held[holder]:
            del self._held[holder]

    def _tell(self, holder: str) -> None:
        now = monotonic()
        if now - self._told_at.get(holder, -_TOLD_SECONDS) >= _TOLD_SECONDS:
            self._told_at[holder] = now
            text = "connections of %s are sent away with 429: %d are open in this worker, %d of them theirs"
            _LOG.warning(text, holder, self._held.total(), self._held[holder])


def with_descriptors(limits: ConnectionLimits = _LIMITS) -> ConnectionLimits:
    """Let this process open what the bounds allow, or return bounds that fit what the system lets it open."""
    wanted = limits.most + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _LOG.warning("a worker may open %d files only: at most %d connections", allowed, allowed - _OTHER_DESCRIPTORS)
    return replace(limits, most=max(1, allowed - _OTHER_DESCRIPTORS))


class BoundedProtocol(HttpToolsProtocol):
    """One connection: HTTP/1.1 by uvicorn, within the bounds."""

    def __init__(self, bounds: Connections, **parts: Any) -> None:
        super().__init__(**parts)
        self._bounds = bounds
        self._holder: str | None = None
        self._unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, or send it away."""
        super().connection_made(transport)
        self._holder = self._bounds.enter(self.client[0] if self.client else None)
        if self._holder is None:
            transport.write(_BUSY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place back."""
        super().connection_lost(exc)
        if self._holder is not None:
            self._bounds.leave(self._holder)
            self._holder = None

    def data_received(self, data: bytes) -> None:
        """Read on, unless a head does not end."""
        self._unread += len(data)
        if self._holder is None or self._unread > self._bounds.limits.most_unread_octets:
            self.transport.close()
            return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """A head is read."""
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body is read; how large that may be is for the door."""
        self._unread = 0
        super().on_body(body)

    @property
    def pending(self) -> object | None:
        """What the connection waits for: the same object as long as it is the same; None between two requests."""
        if self.timeout_keep_alive_task is not None:
            return None
        return self.cycle or self


def protocol_of(bounds: Connections) -> type[BoundedProtocol]:
    """Return the class of connections that share the bounds, as uvicorn wants it."""

    class Bounded(BoundedProtocol):
        def __init__(self, **parts: Any) -> None:
            super().__init__(bounds, **parts)

    return Bounded


class Sweep:
    """Ends connections that do not come to an end; called once a second.

    It counts its own rounds, not the time: while the loop stands still, nobody is late.
    """

    def __init__(self, limits: ConnectionLimits = _LIMITS) -> None:
        self._limits = limits
        self._rounds: dict[BoundedProtocol, tuple[object, int]] = {}

    def __call__(self, connections: Collection[Any]) -> None:
        """Look at all connections of a server."""
        seen: dict[BoundedProtocol, tuple[object, int]] = {}
        for connection in list(connections):
            if not isinstance(connection, BoundedProtocol) or (pending := connection.pending) is None:
                continue
            before, rounds = self._rounds.get(connection, (pending, 0))
            rounds = rounds + 1 if before is pending else 1
            if rounds > self._limits.most_seconds:
                connection.transport.abort()
            else:
                seen[connection] = (pending, rounds)
        self._rounds = seen
