"""A transaction of SQLite that several members share, each with a savepoint: what its thread does, step by step.

Members come one after the other, and each has a number. What one did is kept or undone before the next one begins, so
that undoing one never touches another. Nothing is durable before the commit that all of them share.
"""

import sqlite3
from typing import Final

from fts.db.sqlite import Answer, Job, opened

_SAVEPOINT: Final = "member"


class TransactionLostError(sqlite3.OperationalError):
    """SQLite undid the whole transaction by itself: the disk is full, or failed."""


class Shared:
    """One connection, for one thread, and the transaction that is open on it."""

    def __init__(self, path: str) -> None:
        """Open nothing yet; `path` names the file."""
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._begun = False
        self._member = 1
        self._saved = False

    def execute(self, member: int, job: Job) -> Answer:
        """Do something for a member; its first call begins what is not begun.

        Raises:
            TransactionLostError: the transaction is gone, with all that its members did.
            sqlite3.ProgrammingError: the member's time is over.
            sqlite3.Error: it failed, or the write lock was not to be had; what the member did before stands until
                it is undone.
        """
        connection = self._for(member)
        if not self._begun:
            connection.execute("BEGIN IMMEDIATE")
            self._begun = True
        self._check(connection)
        if not self._saved:
            connection.execute(f"SAVEPOINT {_SAVEPOINT}")
            self._saved = True
        return job(connection)

    def undo(self, member: int) -> None:
        """Undo what a member did, and nothing else; it can do nothing more.

        Raises:
            TransactionLostError: the transaction is gone.
        """
        connection = self._for(member)
        if self._begun:
            self._check(connection)
        if self._saved:
            try:
                connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
                connection.execute(f"RELEASE {_SAVEPOINT}")
            except sqlite3.Error as error:
                self._give_up(connection)
                raise TransactionLostError(str(error)) from error
        self._member, self._saved = member + 1, False

    def commit(self, member: int) -> None:
        """Make durable what all members up to this one did, and was not undone.

        Raises:
            sqlite3.Error: nothing of it is kept.
        """
        begun, self._begun, self._saved, self._member = self._begun, False, False, member + 1
        connection = self._connection
        if not begun or connection is None:
            return
        self._check(connection)
        try:
            connection.execute("COMMIT")
        except BaseException:
            self._give_up(connection)
            raise

    def close(self) -> None:
        """Close the connection; what is not committed is undone."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _for(self, member: int) -> sqlite3.Connection:
        if member < self._member:
            raise sqlite3.ProgrammingError("this transaction is over")
        if self._connection is None:
            self._connection = opened(self._path)
        if member > self._member:
            if self._saved and self._connection.in_transaction:
                self._connection.execute(f"RELEASE {_SAVEPOINT}")
            self._member, self._saved = member, False
        return self._connection

    @staticmethod
    def _check(connection: sqlite3.Connection) -> None:
        if not connection.in_transaction:
            raise TransactionLostError("the database undid the transaction")

    def _give_up(self, connection: sqlite3.Connection) -> None:
        """Let nothing of the transaction remain; a connection that cannot even undo it is closed, which does."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()
