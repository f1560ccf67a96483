"""INSERT … ON CONFLICT as both databases have it."""

from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

from fts.db.database import Work

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert


def insert_into(work: Work, table: Table) -> "sqlite.Insert | Insert":
    """Return the database's own INSERT, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if work.connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 7 MB that a gateway on SQLite does not need

    return postgresql.insert(table)
