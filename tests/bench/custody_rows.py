"""How fast the sequencer chains events, beside the driver that inserts the same rows without us."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, text

from fts.audit.chain import sequence
from fts.audit.models import chain, event
from fts.db.database import Database
from fts.db.migrate import migrate
from fts.keyring import Keyring

_NOW = datetime(2026, 11, 24, tzinfo=UTC)
_BATCH = 1000


@dataclass(frozen=True)
class Rows:
    """Rates of one database."""

    database: str
    rows: int
    per_second: float
    alone_per_second: float


def chained(url: str, rows: int) -> Rows:
    """Chain `rows` events of the usual kind."""
    migrate(url)
    return asyncio.run(_chained(url, rows))


async def _chained(url: str, rows: int) -> Rows:
    database = Database(url, lambda: _NOW, Keyring(bytes(32)))
    try:
        for start in range(0, rows, _BATCH):
            async with database.write() as work:
                await work.connection.execute(insert(event), [_event(start + n) for n in range(_BATCH)])
        begin = time.perf_counter()
        done = 0
        while count := await sequence(database, _BATCH):
            done += count
        seconds = time.perf_counter() - begin
        if done != rows:
            raise RuntimeError(f"{done} of {rows} events were chained")
        return Rows(database.dialect, rows, rows / seconds, rows / await _alone(database, rows))
    finally:
        await database.close()


async def _alone(database: Database, rows: int) -> float:
    async with database.write() as work:
        await work.connection.execute(text("CREATE TABLE bare AS SELECT * FROM chain WHERE 1 = 0"))
        await work.connection.execute(text("CREATE UNIQUE INDEX bare_seq ON bare (seq)"))
        await work.connection.execute(text("CREATE UNIQUE INDEX bare_event ON bare (event_id)"))
    bare = chain.to_metadata(type(chain.metadata)(), name="bare")
    begin = time.perf_counter()
    for start in range(0, rows, _BATCH):
        async with database.write() as work:
            values = [{"seq": start + n, "event_id": start + n, "hash": bytes(32)} for n in range(_BATCH)]
            await work.connection.execute(insert(bare), values)
    return time.perf_counter() - begin


def _event(number: int) -> dict[str, Any]:
    return {
        "at": _NOW,
        "kind": "signing.value_accepted",
        "actor": "signer",
        "reference": f"{number:016x}",
        "client_id": "town",
        "document_id": f"contract-{number}",
        "signing_id": f"{number:032x}",
        "data": {"digest": "9f" * 32, "signature_sha256": "a0" * 32},
        "personal_sha256": number.to_bytes(32, "big"),
    }
