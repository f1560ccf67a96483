"""Databases with all tables, for tests that are not about the migrations themselves."""

import tempfile
from functools import cache
from pathlib import Path

from fts.db.migrate import migrate

_SQLITE = "sqlite+aiosqlite:///"


def migrated(url: str) -> None:
    """Bring a database to the newest form; a file of SQLite that is not there yet becomes a copy of a migrated one."""
    path = Path(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or path.exists():
        migrate(url)
    else:
        path.write_bytes(_template())


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "template.sqlite3"
        migrate(f"{_SQLITE}{path}")
        assert [found.name for found in Path(directory).iterdir()] == [path.name], "all of it is in the one file"
        return path.read_bytes()
