"""Changes of the state of the mounted authority's clock, as events of the gateway's trail (EN 319 421, clause 7.12)."""

import os
import socket

from fts.audit.service import Actor, record
from fts.db.database import Database
from fts.tsa.watch import Record
from timestamping.authority.clock.changes import ClockChange, members


def into_trail(database: Database) -> Record:
    """Return what makes a change an event of the trail."""
    node, process = socket.gethostname(), os.getpid()

    async def record_change(change: ClockChange) -> None:
        async with database.write() as work:
            await record(work, "clock.state_changed", Actor.system(), node=node, process=process, **members(change))

    return record_change
