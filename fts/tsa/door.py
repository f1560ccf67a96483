"""Who may ask an authority that stands alone: by the network a request comes from, within its capacity (FTS-TS-4).

All workers count together: for each client one moment stands in memory that they share, the time at which its capacity
is whole again (the generic cell rate algorithm, as `fts.clients.capacity` has it in the database).
"""

import fcntl
import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from time import CLOCK_MONOTONIC, clock_gettime_ns
from typing import Any, Final

from fts.tsa.configuration import Door, DoorClient
from timestamping.authority.app import Refused
from timestamping.authority.ports import Caller

_MINUTE: Final = 60_000_000_000
"""In nanoseconds."""

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


def _monotonic() -> int:
    return clock_gettime_ns(CLOCK_MONOTONIC)


class Capacities:
    """What each client may still ask for, over all workers; made before they are forked."""

    def __init__(self, clients: Sequence[DoorClient], clock: Callable[[], int] = _monotonic) -> None:
        """Start with whole capacities; `clock` gives nanoseconds and is the same in all workers."""
        self._memory = mmap.mmap(-1, max(1, len(clients)) * 8)
        self._whole_at = memoryview(self._memory).cast("q")
        self._clock = clock
        self._costs = [_MINUTE // client.per_minute for client in clients]
        self._bursts = [client.burst for client in clients]
        # a lock of POSIX ends with its process, so that a worker that dies leaves none behind
        with tempfile.TemporaryFile() as file:
            self._lock = os.dup(file.fileno())

    def take(self, index: int) -> int:
        """Count one request of a client; return 0, or the seconds after which it may come again."""
        cost = self._costs[index]
        with self._locked():
            now = self._clock()
            owed = max(self._whole_at[index] - now, 0)
            wait = owed + cost - self._bursts[index] * cost
            if wait > 0:
                return max(1, math.ceil(wait / 1e9))
            self._whole_at[index] = now + owed + cost
            return 0

    def close(self) -> None:
        """Close the lock's file."""
        os.close(self._lock)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)


class NetworkAdmission:
    """The admission hook of `TimestampingApp`."""

    def __init__(self, door: Door, capacities: Capacities) -> None:
        self._open = door.open
        self._monitors: Networks = door.monitors
        self._capacities = capacities
        self._networks = [
            (network, index, client.id) for index, client in enumerate(door.clients) for network in client.networks
        ]
        self._found: dict[str, tuple[int, str] | None] = {}

    async def __call__(self, scope: MutableMapping[str, Any]) -> Caller:
        """Say who asks.

        Raises:
            Refused: 403, an unknown network; 429, more than the agreed capacity.
        """
        client = scope.get("client")
        address: str | None = client[0] if client else None
        found = self._client_of(address)
        if found is None:
            if self._open:
                return Caller(address=address)
            raise Refused(403, (), "requests from this address are not agreed\n")
        index, client_id = found
        wait = self._capacities.take(index)
        if wait:
            retry = (b"retry-after", str(wait).encode())
            raise Refused(429, (retry,), "more than the agreed capacity; try again after the time in Retry-After\n")
        return Caller(client_id=client_id, address=address)

    def owner(self, address: str | None) -> str | None:
        """Say to whom a connection from an address belongs; None is a stranger."""
        found = self._client_of(address)
        if found is not None:
            return found[1]
        parsed = None if address is None else parsed_address(address)
        if parsed is not None and any(parsed in network for network in self._monitors):
            return _MONITORS
        return address if self._open else None

    def _client_of(self, address: str | None) -> tuple[int, str] | None:
        if address is None or not self._networks:
            return None
        if address not in self._found:
            if len(self._found) >= _MOST_ADDRESSES:
                self._found.clear()
            parsed = parsed_address(address)
            fitting = [
                (network.prefixlen, index, client_id)
                for network, index, client_id in self._networks
                if parsed is not None and parsed in network
            ]
            # the narrowest network decides
            self._found[address] = max(fitting)[1:] if fitting else None
        return self._found[address]


_MOST_ADDRESSES: Final = 10_000
_MONITORS: Final = "monitors"


def parsed_address(text: str) -> Address | None:
    """Return an address in its one form: an IPv4 address that comes mapped into IPv6 is an IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
