"""What the counter remembers: which browser began which signing, and which messages came about it.

SQLite calls take well under a millisecond here and run on the event loop; no document is kept.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from demo_rp.limits import KEPT, LISTED

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS signing (
    id TEXT PRIMARY KEY,
    document_id TEXT NOT NULL UNIQUE,
    browser TEXT NOT NULL,
    return_state TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL,
    state TEXT NOT NULL,
    repair TEXT,
    result_sha256 TEXT,
    begun_sha256 TEXT,
    message_type TEXT,
    message_at TEXT,
    deleted_at TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS signing_browser ON signing (browser, created_at);
CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY, received_at TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One signing that was begun at this counter; times are RFC 3339 in UTC."""

    id: str
    document_id: str
    browser: str
    """SHA-256 of the browser's cookie."""
    return_state: str
    """The opaque `state` that has to come back with the browser."""
    name: str
    size: int
    sha256: str
    """Of the original, in hex."""
    created_at: str
    state: str
    """As the gateway last said."""
    repair: str | None
    """What the gateway said about rewriting a damaged original, in JSON; None for a sound one."""
    result_sha256: str | None = None
    """Of the signed document, as downloaded and hashed here."""
    begun_sha256: str | None = None
    """Of the original as the signed document holds it: its first `size` octets, or the file in the container."""
    message_type: str | None = None
    message_at: str | None = None
    deleted_at: str | None = None


_COLUMNS: Final = tuple(field.name for field in fields(Case))


class Store:
    """The counter's memory, in one SQLite file."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._connection = sqlite3.connect(directory / "demo_rp.sqlite3", isolation_level=None)
        self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON;" + _SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def add(self, case: Case, now: datetime) -> None:
        """Remember a signing, and forget those that are over."""
        over = ((now - KEPT).isoformat(),)
        self._connection.execute("DELETE FROM signing WHERE created_at < ?", over)
        self._connection.execute("DELETE FROM message WHERE received_at < ?", over)
        marks = ", ".join("?" * len(_COLUMNS))
        self._connection.execute(
            f"INSERT INTO signing ({', '.join(_COLUMNS)}) VALUES ({marks})",  # noqa: S608 - names of our own fields
            tuple(asdict(case).values()),
        )

    def find(self, signing_id: str) -> Case | None:
        """Return a signing."""
        return next(self._cases("id = ?", signing_id), None)

    def of_browser(self, browser: str) -> list[Case]:
        """Return a browser's signings, the last one first."""
        return list(self._cases("browser = ?", browser))

    def note(self, signing_id: str, **values: str | None) -> None:
        """Write down what was learned about a signing."""
        assert set(values) <= set(_COLUMNS)  # noqa: S101 - names in the statement are those of our own fields
        changes = ", ".join(f"{name} = ?" for name in values)
        self._connection.execute(f"UPDATE signing SET {changes} WHERE id = ?", (*values.values(), signing_id))  # noqa: S608

    def has_message(self, message_id: str) -> bool:
        """Whether a message was dealt with before."""
        return bool(self._connection.execute("SELECT 1 FROM message WHERE id = ?", (message_id,)).fetchall())

    def add_message(self, message_id: str, now: datetime) -> None:
        """Remember that a message was dealt with."""
        self._connection.execute("INSERT OR IGNORE INTO message VALUES (?, ?)", (message_id, now.isoformat()))

    def _cases(self, condition: str, value: str) -> Iterator[Case]:
        statement = f"SELECT {', '.join(_COLUMNS)} FROM signing WHERE {condition} ORDER BY created_at DESC LIMIT ?"  # noqa: S608
        return (Case(*row) for row in self._connection.execute(statement, (value, LISTED)))
