"""The database: migrations make what the tables say, and the trail cannot be bent (FTS-AUD-2)."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from fts.db.metadata import Moment
from fts.db.migrate import migrate
from fts.db.tables import metadata


def test_migrations_make_exactly_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "fts.sqlite3"
    migrate(f"sqlite+aiosqlite:///{path}")
    migrate(f"sqlite+aiosqlite:///{path}")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


@pytest.mark.parametrize("statement", ["UPDATE event SET kind = 'x'", "DELETE FROM event"])
def test_events_are_never_changed_or_deleted(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "fts.sqlite3"
    migrate(f"sqlite+aiosqlite:///{path}")
    database = sqlite3.connect(path)
    database.execute("INSERT INTO event (at, kind, actor, data) VALUES (0, 'k', 'system', '{}')")
    with pytest.raises(sqlite3.IntegrityError, match="insert-only"):
        database.execute(statement)
    database.close()


def test_moments_keep_their_microseconds() -> None:
    moment = datetime(2046, 2, 3, 4, 5, 6, 789012, UTC)
    stored = Moment().process_bind_param(moment, None)  # type: ignore[arg-type]
    assert Moment().process_result_value(stored, None) == moment  # type: ignore[arg-type]
