"""Recording each change of the clock's state of an authority (EN 319 421, clause 7.12)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from timestamping.authority.clock.changes import ClockChange, ClockChanges

_LOG: Final = logging.getLogger("fts.tsa")
_RETRY_SECONDS: Final = 0.5
_LAST_SECONDS: Final = 2.0
"""What waits to be recorded has so long at the end of the process."""

Record = Callable[[ClockChange], Awaitable[None]]
"""Records one change durably."""


@asynccontextmanager
async def recording(changes: ClockChanges, record_change: Record) -> AsyncIterator[None]:
    """Record each change within the block, in order; one that cannot be recorded is tried again."""
    queue = changes.listen()
    task = asyncio.create_task(_record_all(queue, record_change))
    try:
        yield
    finally:
        changes.forget(queue)
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                await queue.put(None)
                await task
        except TimeoutError:
            task.cancel()
            _LOG.error("%d changes of the clock's state are not recorded: the process ends", queue.qsize())


async def _record_all(queue: "asyncio.Queue[ClockChange | None]", record_change: Record) -> None:
    change = await queue.get()
    while change is not None:
        try:
            await record_change(change)
        except Exception:  # noqa: BLE001 - another try follows
            _LOG.exception("the clock's state %s is not recorded; it is tried again", change.after.state)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            change = await queue.get()
