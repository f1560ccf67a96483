"""A document is read before the transaction that records its download: what is gone meanwhile is not handed over."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import delete, insert, select, update

from fts.audit.models import event
from fts.audit.service import Actor
from fts.clients.models import client as clients
from fts.clients.service import Client
from fts.custody import seal_members
from fts.db.database import Database
from fts.db.migrate import migrate
from fts.documents.models import document as documents
from fts.documents.service import downloaded
from fts.keyring import Keyring
from fts.problems import ProblemError
from fts.services import Services
from storage.envelope import DocumentKey

NOW = datetime(2026, 11, 27, tzinfo=UTC)
ACTOR = Actor("client", "192.0.2.7", "0123456789abcdef", "credential")
CLIENT = cast(Client, SimpleNamespace(id="town"))
KEY = DocumentKey(DocumentKey.new_octets())
ENDINGS: dict[str, Any] = {
    "none": None,
    "destroyed": delete(documents),
    "over": update(documents).values(expires_at=NOW),
    "replaced": update(documents).values(key_id="another"),
}


class _Vault:
    """Gives the key, and lets something happen to the row right after it was read."""

    def __init__(self, database: Database, meanwhile: Any) -> None:
        self._database = database
        self._meanwhile = meanwhile

    async def key(self, _owner: str, _key_id: str) -> DocumentKey:
        """Return the key."""
        if self._meanwhile is not None:
            async with self._database.write() as work:
                await work.connection.execute(self._meanwhile)
        return KEY


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_gone_meanwhile_is_neither_handed_over_nor_recorded(tmp_path: Path, ending: str) -> None:
    """FTS-AUD-1, FTS-GDPR-1."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'fts.sqlite3'}"
    migrate(url)

    async def case() -> list[str]:
        database = Database(url, lambda: NOW, Keyring(bytes(32)))
        services = SimpleNamespace(database=database, vault=_Vault(database, ENDINGS[ending]), clock=lambda: NOW)
        try:
            await _filled(database)
            if ending == "none":
                found = await downloaded(cast(Services, services), CLIENT, ACTOR, "contract")
                assert found.name == "contract.pdf"
            else:
                with pytest.raises(ProblemError, match="there is no document"):
                    await downloaded(cast(Services, services), CLIENT, ACTOR, "contract")
            async with database.read() as connection:
                return list((await connection.execute(select(event.c.kind))).scalars())
        finally:
            await database.close()

    assert asyncio.run(case()) == (["document.downloaded"] if ending == "none" else [])


async def _filled(database: Database) -> None:
    members = {"name": "contract.pdf", "repair": None, "problem": None}
    async with database.write() as work:
        await work.connection.execute(
            insert(clients).values(id="town", definition={}, created_at=NOW, applied_at=NOW),
        )
        await work.connection.execute(
            insert(documents).values(
                client_id="town",
                id="contract",
                key_id="first",
                state="ready",
                size=1,
                sha256=bytes(32),
                object="town/object",
                sealed=seal_members(KEY, members, "document town/contract"),
                repair_allowed=False,
                uploaded_at=NOW,
                expires_at=NOW + timedelta(hours=1),
            )
        )
