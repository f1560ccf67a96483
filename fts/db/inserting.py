"""INSERT … ON CONFLICT as both databases have it; a row with the one that belongs to it, in one statement."""

import sqlite3
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Dialect, Table, insert, literal, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from fts.db.database import Work
from fts.db.sqlite import Answer

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert


def insert_into(work: Work, table: Table) -> "sqlite.Insert | Insert":
    """Return the database's own INSERT, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if work.connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 7 MB that a gateway on SQLite does not need

    return postgresql.insert(table)


async def insert_pair(
    work: Work, table: Table, values: Mapping[str, Any], child: Table, key: str, more: Mapping[str, Any]
) -> None:
    """Insert a row that gets its id, and a row of `child` with that id in the column `key`: both or none.

    One statement on PostgreSQL, one hand-over to the thread on SQLite.

    Raises:
        sqlalchemy.exc.DBAPIError: it cannot be written.
    """
    if work.together is None:
        new = insert(table).values(**values).returning(table.c.id).cte("new")
        columns = [literal(value, child.c[name].type).label(name) for name, value in more.items()]
        await work.connection.execute(insert(child).from_select([key, *more], select(new.c.id, *columns)))
        return
    dialect = work.connection.dialect
    first, row = _Plain.of(dialect, table, tuple(values)), values
    second = _Plain.of(dialect, child, (key, *more))

    def both(connection: sqlite3.Connection) -> Answer:
        number = connection.execute(first.statement, first.parameters(row)).lastrowid
        connection.execute(second.statement, second.parameters({key: number, **more}))
        return Answer(None, [], 2, number)

    try:
        await work.together(both)
    except sqlite3.Error as error:
        raise DBAPIError.instance(first.statement, None, error, sqlite3.Error, hide_parameters=True) from error


class _Plain:
    """An INSERT as the driver takes it."""

    def __init__(self, dialect: Dialect, table: Table, names: tuple[str, ...]) -> None:
        compiled = insert(table).inline().compile(dialect=dialect, column_keys=list(names))
        self.statement = str(compiled)
        self._bound = [
            (name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]

    @classmethod
    @lru_cache(maxsize=32)
    def of(cls, dialect: Dialect, table: Table, names: tuple[str, ...]) -> "_Plain":
        """Return the statement, made once."""
        return cls(dialect, table, names)

    def parameters(self, row: Mapping[str, Any]) -> list[Any]:
        """Return the values as they are stored, in the order of the statement."""
        return [row[name] if bind is None else bind(row[name]) for name, bind in self._bound]
