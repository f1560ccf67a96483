"""Recording events and reading them (FTS-AUD-1)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import and_, insert, or_, select

from fts.audit.models import event
from fts.db.database import Database, Work


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, from where, under which reference."""

    role: Literal["client", "signer", "operator", "system"]
    address: str | None = None
    """IP address."""
    reference: str | None = None
    """Of the request; the same that the answer carried."""

    @classmethod
    def system(cls) -> "Actor":
        """Return the gateway itself."""
        return cls("system")

    @classmethod
    def operator(cls) -> "Actor":
        """Return who runs the gateway."""
        return cls("operator")


async def record(
    work: Work,
    kind: str,
    actor: Actor,
    *,
    client_id: str | None = None,
    document_id: str | None = None,
    signing_id: str | None = None,
    **data: Any,
) -> None:
    """Write an event in the transaction of what it records; where it cannot be written, nothing happens."""
    await work.connection.execute(
        insert(event).values(
            at=work.now,
            kind=kind,
            actor=actor.role,
            address=actor.address,
            reference=actor.reference,
            client_id=client_id,
            document_id=document_id,
            signing_id=signing_id,
            data=data,
        )
    )


@dataclass(frozen=True, slots=True)
class Event:
    """One record."""

    id: int
    at: datetime
    kind: str
    actor: str
    address: str | None
    reference: str | None
    client_id: str | None
    document_id: str | None
    signing_id: str | None
    data: dict[str, Any]


async def trail(
    database: Database,
    *,
    signing_id: str | None = None,
    client_id: str | None = None,
    document_id: str | None = None,
) -> list[Event]:
    """Return the events of a signing and its document, or of a client's document, in their order."""
    async with database.read() as connection:
        if signing_id is not None:
            owner = select(event.c.client_id, event.c.document_id).where(event.c.signing_id == signing_id).limit(1)
            found = (await connection.execute(owner)).one_or_none()
            if found is None:
                return []
            about_document = and_(
                event.c.client_id == found.client_id,
                event.c.document_id == found.document_id,
                event.c.signing_id.is_(None),
            )
            condition = or_(event.c.signing_id == signing_id, about_document)
        else:
            condition = and_(event.c.client_id == client_id, event.c.document_id == document_id)
        rows = await connection.execute(select(event).where(condition).order_by(event.c.id))
        return [Event(**row._mapping) for row in rows]
