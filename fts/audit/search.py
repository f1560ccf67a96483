"""Finding events, and removing personal parts when their time is over (FTS-AUD-1, FTS-GDPR-5)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, or_, select

from fts.audit.models import event, personal
from fts.audit.service import COLUMNS, JOINED, Actor, Event, event_of, record
from fts.db.database import Database
from fts.keyring import Keyring

_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; all of it must fit."""

    client_id: str | None = None
    document_id: str | None = None
    signing_id: str | None = None
    signer_number: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    most: int = 1000


async def search(database: Database, keyring: Keyring, query: Query, actor: Actor) -> list[Event]:
    """Return the events that fit, oldest first, and record that they were asked for.

    A number is found by its keyed hash, in the event that has it and in the others of the same signing.
    """
    statement = select(*COLUMNS).select_from(JOINED).order_by(event.c.id).limit(query.most)
    for column, value in (
        (event.c.client_id, query.client_id),
        (event.c.document_id, query.document_id),
        (event.c.signing_id, query.signing_id),
        (event.c.kind, query.kind),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if query.since is not None:
        statement = statement.where(event.c.at >= query.since)
    if query.until is not None:
        statement = statement.where(event.c.at < query.until)
    if query.signer_number is not None:
        mac = keyring.mac("signer", query.signer_number)
        signings = (
            select(event.c.signing_id)
            .join(personal, personal.c.event_id == event.c.id)
            .where(personal.c.signer_mac == mac)
        )
        own = select(personal.c.event_id).where(personal.c.signer_mac == mac)
        statement = statement.where(or_(event.c.id.in_(own), event.c.signing_id.in_(signings)))
    async with database.write() as work:
        await record(
            work,
            "trail.read",
            actor,
            client_id=query.client_id,
            document_id=query.document_id,
            signing_id=query.signing_id,
            signer_number=query.signer_number,
            looked_for=query.kind,
        )
    async with database.read() as connection:
        return [event_of(row, keyring) for row in await connection.execute(statement)]


async def erase(database: Database, before: datetime, reason: str, actor: Actor) -> int:
    """Remove the personal parts of all events before a moment, and record that; the chain stays verifiable."""
    count = 0
    async with database.read() as connection:
        newest = (await connection.execute(select(func.max(personal.c.event_id)))).scalar_one() or 0
    while True:
        async with database.write() as work:
            old = (
                select(personal.c.event_id)
                .join(event, event.c.id == personal.c.event_id)
                .where(event.c.at < before, personal.c.event_id <= newest)
                .order_by(personal.c.event_id)
                .limit(_BATCH)
            )
            ids = list((await work.connection.execute(old)).scalars())
            if not ids:
                return count
            await work.connection.execute(delete(personal).where(personal.c.event_id.in_(ids)))
            until = before.isoformat().replace("+00:00", "Z")
            await record(work, "trail.personal_erased", actor, count=len(ids), before=until, reason=reason)
            count += len(ids)
