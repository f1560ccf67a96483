"""Security events (FTS-GDPR-6): each is recorded; those of one kind, client and address are one incident.

An incident is reported when it begins, when it has grown tenfold, and when it has ended: nothing came for a while.
"""

import asyncio
import json
import logging
import secrets
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Row, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from fts.audit.service import Actor, record
from fts.db.database import Database, Work
from fts.db.inserting import insert_into
from fts.incidents.models import incident as table
from fts.jobs.queue import enqueue
from fts.keyring import Keyring
from timestamping.clock import Clock

Kind = Literal[
    "login_refused",
    "secret_withdrawn",
    "network_refused",
    "scope_refused",
    "foreign_data",
    "session_refused",
    "link_refused",
    "document_changed",
    "trail_tampered",
    "trail_unavailable",
    "clock_jumped",
]

Phase = Literal["opened", "grown", "ended"]

QUIET: Final = timedelta(minutes=30)
"""An incident has ended when nothing came for this time."""
_GATHER_SECONDS: Final = 5.0
_MOST_KEYS: Final = 10_000
_MOST_OPEN: Final = 20
"""Incidents of one kind about one client that go on at a time, each with an address of its own."""
_MANY: Final = "many addresses"
_BATCH: Final = 200
_LOG: Final = logging.getLogger("fts.incidents")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was refused or found."""

    kind: Kind
    client_id: str | None
    """The client whose account or data it is about."""
    actor: Actor
    concerned: str
    """What was tried, or which data: methods, routes, identifiers; never a secret or what a person wrote."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Incident:
    """All findings of one kind about one client from one address."""

    id: str
    kind: Kind
    client_id: str | None
    address: str | None
    concerned: str
    first_at: datetime
    last_at: datetime
    count: int
    reported_at: datetime | None
    ended_at: datetime | None


async def note(work: Work, finding: Finding) -> None:
    """Record a finding, in the transaction of what it belongs to, and have its incident reported."""
    await record(
        work,
        f"security.{finding.kind}",
        finding.actor,
        client_id=finding.client_id,
        concerned=finding.concerned,
        count=finding.count,
    )
    address, key = await _place(work, finding)
    incident_id = secrets.token_hex(8)
    about = json.dumps({"address": address, "concerned": finding.concerned}).encode()
    row = (
        await work.connection.execute(
            insert_into(work, table)
            .values(
                id=incident_id,
                kind=finding.kind,
                client_id=finding.client_id,
                open_mac=key,
                sealed=work.keyring.seal("audit-custody", about, _context(incident_id)),
                first_at=work.now,
                last_at=work.now,
                count=finding.count,
            )
            .on_conflict_do_update(
                index_elements=["open_mac"],
                set_={"last_at": work.now, "count": table.c.count + finding.count},
            )
            .returning(table.c.id, table.c.count.label("total"))
        )
    ).one()
    before = row.total - finding.count
    if before == 0:
        await _report(work, row.id, finding.client_id, "opened")
    elif len(str(row.total)) > len(str(before)):
        await _report(work, row.id, finding.client_id, "grown")


async def _place(work: Work, finding: Finding) -> tuple[str | None, bytes]:
    """Return the address and the key of a finding's incident: where many addresses try the same, they are one."""

    def key_of(address: str | None) -> bytes:
        return work.keyring.mac("incident", f"{finding.kind}|{finding.client_id}|{address}")

    address, key = finding.actor.address, key_of(finding.actor.address)
    if (await work.connection.execute(select(table.c.id).where(table.c.open_mac == key))).one_or_none() is None:
        alike = (table.c.kind == finding.kind, table.c.client_id.is_not_distinct_from(finding.client_id))
        going_on = select(func.count()).select_from(table).where(*alike, table.c.open_mac.is_not(None))
        if (await work.connection.execute(going_on)).scalar_one() >= _MOST_OPEN:
            return _MANY, key_of(_MANY)
    return address, key


async def close_quiet(database: Database, clock: Clock) -> None:
    """End the incidents to which nothing came for a while, and have that reported."""
    quiet = clock() - QUIET
    over = (table.c.open_mac.is_not(None), table.c.last_at < quiet)
    async with database.read() as connection:
        if (await connection.execute(select(table.c.id).where(*over).limit(1))).one_or_none() is None:
            return
    async with database.write() as work:
        ended = update(table).where(*over).values(open_mac=None, ended_at=table.c.last_at)
        for row in (await work.connection.execute(ended.returning(table.c.id, table.c.client_id))).all():
            await _report(work, row.id, row.client_id, "ended")


async def _report(work: Work, incident_id: str, client_id: str | None, phase: Phase) -> None:
    payload = {"incident": incident_id, "phase": phase}
    await enqueue(work, "report", incident_id, payload, client_id=client_id or "", queue="outbound")


def incident_of(row: Row[Any], keyring: Keyring) -> Incident:
    """Return the incident of a row.

    Raises:
        KeyringError: its sealed part does not open.
    """
    values = row._mapping
    about = json.loads(keyring.unseal("audit-custody", row.sealed, _context(row.id)))
    return Incident(
        row.id,
        row.kind,
        row.client_id,
        about["address"],
        about["concerned"],
        row.first_at,
        row.last_at,
        values["count"],
        row.reported_at,
        row.ended_at,
    )


def _context(incident_id: str) -> str:
    return f"incident {incident_id}"


_Key = tuple[Kind, str | None, str | None]


class Desk:
    """Takes in the findings of one process, without keeping anybody waiting.

    The first of its kind, client and address is written at once; what repeats it within seconds is written as one.
    What cannot be written is kept and tried again.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: OrderedDict[_Key, Finding] = OrderedDict()
        self._seen: dict[_Key, datetime] = {}
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._flushing: asyncio.Task[None] | None = None
        self._unwritten_since: datetime | None = None

    def notice(self, finding: Finding) -> None:
        """Take in a finding."""
        key, is_new = self._take(finding)
        last = self._seen.get(key)
        if is_new and (last is None or self._clock() - last >= timedelta(seconds=_GATHER_SECONDS)):
            self._wake.set()

    def notice_failure(self, error: Exception) -> None:
        """Take in that something was refused because the database failed; other failures are none of the trail's."""
        if isinstance(error, SQLAlchemyError):
            self.notice(Finding("trail_unavailable", None, Actor.system(), type(error).__name__))

    @property
    def unwritten_since(self) -> datetime | None:
        """When the database first refused what waits here; None where nothing waits that it refused."""
        return self._unwritten_since

    def _take(self, finding: Finding) -> tuple[_Key, bool]:
        key: _Key = (finding.kind, finding.client_id, finding.actor.address)
        if key not in self._waiting and len(self._waiting) >= _MOST_KEYS:
            finding = replace(finding, actor=replace(finding.actor, address=_MANY))
            key = (finding.kind, finding.client_id, _MANY)
        before = self._waiting.get(key)
        self._waiting[key] = finding if before is None else replace(before, count=before.count + finding.count)
        return key, before is None

    async def run(self) -> None:
        """Write what is taken in, until cancelled; a write under way goes on, and `close` waits for it."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GATHER_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            self._flushing = asyncio.create_task(self._flush())
            await asyncio.shield(self._flushing)

    async def close(self) -> None:
        """Write what waits, after a write that is under way."""
        await self._flush()

    async def _flush(self) -> None:
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        while self._waiting:
            some = [self._waiting.popitem(last=False) for _ in range(min(_BATCH, len(self._waiting)))]
            try:
                async with self._database.write() as work:
                    for _, finding in some:
                        await note(work, finding)
            except (SQLAlchemyError, OSError):
                _LOG.exception("%d security events cannot be written; they are tried again", len(some))
                for _, finding in some:
                    self._take(finding)
                self._unwritten_since = self._unwritten_since or self._clock()
                return
            now = self._clock()
            self._unwritten_since = None
            if len(self._seen) >= _MOST_KEYS:
                self._seen.clear()
            self._seen.update(dict.fromkeys((key for key, _ in some), now))
