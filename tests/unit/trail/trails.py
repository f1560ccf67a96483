"""Trails for tests: events, chained and timestamped by units of the test's own."""

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from fts.audit.chain import sequence
from fts.audit.checkpoints import anchor, checkpoint
from fts.audit.service import Actor, record
from fts.audit.walk import Verdict, verify
from fts.db.database import Database
from fts.keyring import Keyring
from tests.support.migrated import migrated
from tests.support.postgres import PostgresDatabase
from tests.unit.signing.issuing import authority, issue
from tests.unit.timestamping.units import MOMENT, POLICY, TIME_STAMPING, Unit, make_unit
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey, TokenFactory
from timestamping.authority.policies import Policies
from timestamping.authority.unit import TimestampingUnit
from timestamping.request import TimestampRequest

KEYRING = Keyring(bytes(range(32)))
NUMBER = "85073003328"


@dataclass
class Trail:
    """A trail in a database of its own."""

    url: str
    unit: Unit = field(default_factory=make_unit)
    now: datetime = MOMENT
    postgres: PostgresDatabase | None = None
    """The database, where it is none of SQLite's; it has its tables already, as a file has that is there."""

    def __post_init__(self) -> None:
        if self.postgres is None and not self.path.exists():
            migrated(self.url)

    @property
    def path(self) -> Path:
        """The file, on SQLite."""
        return Path(self.url.removeprefix("sqlite+aiosqlite:///"))

    def run(self, work: Callable[[Database], Awaitable[Any]]) -> Any:
        """Do something with the database."""

        async def inside() -> Any:
            database = Database(self.url, lambda: self.now, KEYRING)
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(inside())

    def write(self, count: int, **more: Any) -> None:
        """Record events of a signing: some with a personal part."""

        async def work(database: Database) -> None:
            for n in range(count):
                async with database.write() as transaction:
                    actor = Actor("signer", "192.0.2.7", f"{n:016x}") if n % 2 else Actor.system()
                    values = {"client_id": "town", "document_id": "d1", "signing_id": "s1", "n": n} | more
                    await record(
                        transaction, f"signing.step{n}", actor, signer_number=NUMBER if n % 3 else None, **values
                    )

        self.run(work)

    def chain(self) -> None:
        """Chain what is there."""

        async def work(database: Database) -> None:
            while await sequence(database, 3):
                pass

        self.run(work)

    def checkpoint(self, algorithm: str = "sha256") -> None:
        """Chain, make a checkpoint and have it timestamped."""
        self.chain()
        self.run(lambda database: checkpoint(database, algorithm))
        self.run(lambda database: anchor(database, self.timestamp))

    async def timestamp(self, imprint: bytes, algorithm: DigestAlgorithm) -> bytes:
        """Return a token of the unit."""
        request = TimestampRequest(1, algorithm.oid, imprint, None, None, cert_req=True, has_extensions=False)
        return self.unit.factory.token(request, algorithm, self.now)

    def verify(self, keyring: Keyring | None = KEYRING, **more: Any) -> Verdict:
        """Walk the trail an hour later."""
        trust = more.pop("trust", [self.unit.ca.certificate])
        later = self.now + timedelta(hours=1)
        found: Verdict = self.run(lambda database: verify(database, keyring, trust, later, **more))
        return found

    def tamper(self, *statements: str) -> None:
        """Change rows behind everybody's back: as whoever owns the database, without triggers and foreign keys."""
        if self.postgres is not None:
            with self.postgres.connect() as connection:
                connection.execute("SET session_replication_role = replica")
                for statement in statements:
                    if not statement.startswith("PRAGMA"):
                        connection.execute(_for_postgresql(statement).encode())
            return
        with closing(sqlite3.connect(self.path)) as database, database:
            triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (name,) in triggers:
                database.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                database.execute(statement)


def _for_postgresql(statement: str) -> str:
    """Return a statement of SQLite with its octets as PostgreSQL writes them."""
    zeros = re.sub(r"zeroblob\((\d+)\)", lambda found: f"decode(repeat('00', {found[1]}), 'hex')", statement)
    return re.sub(r"x'([0-9a-f]*)'", r"decode('\1', 'hex')", zeros)


def new_unit(name: str) -> Unit:
    """Make a timestamping unit below a root with a name of its own."""
    ca = authority(f"Timestamping CA {name}")
    tsu = issue("Timestamping Unit", ca, key=ec.generate_private_key(ec.SECP256R1()), extensions=TIME_STAMPING)
    factory = TokenFactory(SoftwareTsuKey(tsu.key), tsu.certificate, (ca.certificate,), policy=POLICY)
    unit = TimestampingUnit(SoftwareTsuKey(tsu.key), tsu.certificate, (ca.certificate,))
    return Unit(ca, tsu, factory, Authority(unit, lambda: MOMENT, policies=Policies(POLICY)))
