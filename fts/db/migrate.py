"""Bringing a database to the newest form."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from fts.db import roles

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_LOG: Final = logging.getLogger("fts.db")
_LOCK: Final = 0x667473
"""Held on PostgreSQL for the time of a migration, so that two nodes do not migrate at once."""


def migrate(url: str) -> None:
    """Apply what is missing; nothing happens where all is there.

    On PostgreSQL the roles of the gateway get their rights again. Where the migrating user may not make missing roles,
    a warning says what to do, and the rights stay as they are.
    """
    asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            embedded = connection.dialect.name == "sqlite"
            if not embedded:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_upgrade)
            if not embedded:
                await _grant(connection)
    finally:
        await engine.dispose()


async def _grant(connection: AsyncConnection) -> None:
    if await roles.can_grant(connection):
        await roles.grant(connection)
        return
    _LOG.warning(
        "the database user may not make the roles %s: run what `fts migrate --print-grants` prints, as a user of the "
        "database that may, then migrate again",
        ", ".join(roles.RIGHTS),
    )


def _upgrade(connection: Connection) -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")
