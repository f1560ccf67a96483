"""Changes of the state of the mounted authority's clock, as events of the trail (EN 319 421, clause 7.12)."""

import asyncio
import logging
import os
import socket
from typing import Final

from fts.audit.service import Actor, record
from fts.db.database import Database
from timestamping.authority.ports import ClockSnapshot, TrustedClock

_LOG: Final = logging.getLogger("fts.tsa")
_INTERVAL_SECONDS: Final = 0.5


async def watch(database: Database, clock: TrustedClock) -> None:
    """Record each change until cancelled; one that cannot be recorded is tried again."""
    recorded = None
    while True:
        snapshot = clock.snapshot
        if snapshot.state is not recorded:
            try:
                await _note(database, snapshot, recorded)
                recorded = snapshot.state
            except Exception:  # noqa: BLE001 - the next round tries again
                _LOG.exception("the clock's state %s is not recorded; the next round tries again", snapshot.state)
        await asyncio.sleep(_INTERVAL_SECONDS)


async def _note(database: Database, snapshot: ClockSnapshot, before: str | None) -> None:
    async with database.write() as work:
        await record(
            work,
            "clock.state_changed",
            Actor.system(),
            node=socket.gethostname(),
            process=os.getpid(),
            before=before,
            state=snapshot.state.value,
            offset_seconds=_seconds(snapshot.offset_seconds),
            error_seconds=_seconds(snapshot.error_seconds),
            sources=list(snapshot.sources),
            check=snapshot.number,
            checked_at=snapshot.checked_at.isoformat(),
        )


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.6f}"
