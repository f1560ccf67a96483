"""Turns: so many uploads of one client are taken in at a time, so that they keep no other's from its share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class _Gate:
    free: asyncio.Semaphore
    users: int = 0


class Turns:
    """The uploads under way in one process; whoever waits is served in the order of arrival among its client's."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._gates: dict[str, _Gate] = {}

    @asynccontextmanager
    async def of(self, client_id: str) -> AsyncIterator[None]:
        """Wait for a client's turn and keep it; the body of who waits is not read, so that its sender waits, too."""
        gate = self._gates.setdefault(client_id, _Gate(asyncio.Semaphore(self._most)))
        gate.users += 1
        try:
            async with gate.free:
                yield
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[client_id]
