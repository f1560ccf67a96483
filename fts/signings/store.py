"""Signings in the database: reading them, and the one way to move them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.service import Actor, record
from fts.clients.models import client as clients
from fts.db.database import Work
from fts.documents.models import document as documents
from fts.jobs.queue import enqueue
from fts.problems import ProblemError
from fts.signings.models import signing as table
from fts.signings.states import BEFORE_THE_VALUE, MOVES, State
from signing.ports import Level


class StaleError(RuntimeError):
    """Somebody else moved the signing in the meantime."""


@dataclass(frozen=True, slots=True)
class Signing:
    """A signing as it was read."""

    id: str
    client_id: str
    document_id: str
    document_sha256: bytes
    """Of what is shown and signed: pinned when the signing was created."""
    idempotency_key: str | None
    request_sha256: bytes
    state: State
    version: int
    profile: str
    return_url: str
    client_state: str | None
    language: str | None
    allowed_number: str | None
    created_at: datetime
    deadline: datetime
    session_mac: bytes | None
    digest: bytes | None
    digest_algorithm: str | None
    signature_algorithm: bytes | None
    certificate: bytes | None
    prepared_object: str | None
    signer_name: str | None
    signer_number: str | None
    accepted_at: datetime | None
    ended_at: datetime | None
    problem: dict[str, Any] | None
    result_object: str | None
    result_sha256: bytes | None
    result_size: int | None
    level: str | None
    signed_at: datetime | None
    archived_at: datetime | None

    @property
    def reference(self) -> str:
        """What signer and help desk quote."""
        return "-".join(self.id[i : i + 4].upper() for i in (0, 4, 8))

    @property
    def asked_level(self) -> Level:
        """The level of the profile."""
        return Level(self.profile.rpartition("_")[2])

    @property
    def objects(self) -> list[str]:
        """The names of its objects."""
        return [name for name in (self.prepared_object, self.result_object) if name is not None]


async def find(connection: AsyncConnection, signing_id: str, now: datetime) -> Signing | None:
    """Return a signing; it is gone when the time of its document is over."""
    joined = table.join(
        documents, (documents.c.client_id == table.c.client_id) & (documents.c.id == table.c.document_id)
    )
    statement = select(table).select_from(joined).where(table.c.id == signing_id, documents.c.expires_at > now)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _signing(row)


async def of_client(connection: AsyncConnection, client_id: str, signing_id: str, now: datetime) -> Signing:
    """Return a client's signing.

    Raises:
        ProblemError: SIGNING_NOT_FOUND.
    """
    signing = await find(connection, signing_id, now)
    if signing is None or signing.client_id != client_id:
        raise ProblemError("SIGNING_NOT_FOUND", f"there is no signing {signing_id}")
    return signing


async def by_key(connection: AsyncConnection, client_id: str, key: str) -> Signing | None:
    """Return the signing that was created with an Idempotency-Key."""
    statement = select(table).where(table.c.client_id == client_id, table.c.idempotency_key == key)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _signing(row)


async def of_document(connection: AsyncConnection, client_id: str, document_id: str) -> list[Signing]:
    """Return the signings of a document."""
    statement = select(table).where(table.c.client_id == client_id, table.c.document_id == document_id)
    return [_signing(row) for row in await connection.execute(statement)]


async def overdue(connection: AsyncConnection, now: datetime, most: int) -> list[Signing]:
    """Return signings whose deadline passed before a signature value came."""
    statement = (
        select(table)
        .where(table.c.state.in_([state.value for state in BEFORE_THE_VALUE]), table.c.deadline <= now)
        .limit(most)
    )
    return [_signing(row) for row in await connection.execute(statement)]


async def remove(work: Work, client_id: str, document_id: str) -> None:
    """Remove the signings of a document."""
    await work.connection.execute(
        delete(table).where(table.c.client_id == client_id, table.c.document_id == document_id)
    )


async def move(work: Work, signing: Signing, to: State, event: str, actor: Actor, **changes: Any) -> None:
    """Move a signing and write the event; `data` among the changes goes into the event, the rest into the row.

    At an end the client's server is told.

    Raises:
        StaleError: the signing is not as it was read.
        ValueError: no such move exists.
    """
    if to not in MOVES[signing.state]:
        raise ValueError(f"a signing does not go from {signing.state} to {to}")
    data = changes.pop("data", {})
    if to.has_ended:
        changes["ended_at"] = work.now
    moved = await work.connection.execute(
        update(table)
        .where(table.c.id == signing.id, table.c.version == signing.version)
        .values(state=to.value, version=signing.version + 1, **changes)
    )
    if moved.rowcount != 1:
        raise StaleError(f"the signing {signing.id} was moved by somebody else")
    await note(work, signing, event, actor, **data)
    work.tell("web", signing.id)
    if to.has_ended:
        await _announce(work, signing, to, changes.get("problem"))


async def note(work: Work, signing: Signing, event: str, actor: Actor, **data: Any) -> None:
    """Write an event about a signing that moves nothing."""
    await record(
        work,
        event,
        actor,
        client_id=signing.client_id,
        document_id=signing.document_id,
        signing_id=signing.id,
        **data,
    )


async def _announce(work: Work, signing: Signing, state: State, problem: dict[str, Any] | None) -> None:
    statement = select(clients.c.webhook_url).where(clients.c.id == signing.client_id)
    if (await work.connection.execute(statement)).scalar_one_or_none() is None:
        return
    message = {
        "type": f"signing.{state}",
        "timestamp": work.now.isoformat().replace("+00:00", "Z"),
        "data": {
            "id": signing.id,
            "document": signing.document_id,
            "state": state.value,
            "code": problem["code"] if problem else None,
        },
    }
    payload = {"client": signing.client_id, "message": message}
    await enqueue(work, "webhook", signing.id, payload, queue="outbound", key=f"webhook:{signing.id}:{state}")


def _signing(row: Row[Any]) -> Signing:
    return Signing(**{**row._mapping, "state": State(row.state)})
