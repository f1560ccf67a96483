"""Timestamps on stored documents: ordered by a client, made by a worker, destroyed with the document (FTS-TS-2)."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.service import Actor, record
from fts.clients.service import Client
from fts.db.database import Work
from fts.documents import service as documents
from fts.documents.service import Document
from fts.jobs.queue import enqueue
from fts.keyring import Keyring
from fts.problems import ProblemError
from fts.services import Services
from fts.timestamps.forms import Form
from fts.timestamps.models import timestamp as table

State = Literal["stamping", "ready", "failed"]

SUFFIXES: Final[dict[Form, str]] = {"pdf": "-timestamped.pdf", "asic-s": ".asics", "detached": ".tst"}
MEDIA_TYPES: Final[dict[Form, str]] = {
    "pdf": "application/pdf",
    "asic-s": "application/vnd.etsi.asic-s+zip",
    "detached": "application/vnd.etsi.timestamp-token",
}


@dataclass(frozen=True, slots=True)
class DocumentTimestamp:
    """A timestamp on a stored document."""

    id: str
    client_id: str
    document_id: str
    document_sha256: bytes
    """Of what is timestamped: the upload, or for the form `pdf` its rewritten form where there is one."""
    form: Form
    digest: str
    state: State
    request_mac: bytes
    created_at: datetime
    result_object: str | None
    result_sha256: bytes | None
    result_size: int | None
    gen_time: datetime | None
    authority: str | None
    problem: dict[str, Any] | None

    @property
    def subject(self) -> str:
        """What news about it is called."""
        return f"timestamp:{self.id}"


async def create(
    services: Services, client: Client, actor: Actor, document_id: str, form: Form, digest: str, key: str | None
) -> DocumentTimestamp:
    """Order a timestamp, or return the one that the same request with the same key ordered.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND, DOCUMENT_NOT_READY, NOT_A_PDF, the document's own code, IDEMPOTENCY_MISMATCH.
    """
    key_mac = None if key is None else services.keyring.mac("idempotency", f"{client.id} timestamp key {key}")
    request_mac = _request_mac(services.keyring, client.id, document_id, form, digest)
    if key_mac is not None and (known := await _known(services, client.id, key_mac, request_mac)) is not None:
        return known
    timestamp_id = secrets.token_hex(16)
    try:
        async with services.database.write() as work:
            document = await documents.get(services.vault, work.connection, client.id, document_id, work.now)
            await work.connection.execute(
                insert(table).values(
                    id=timestamp_id,
                    client_id=client.id,
                    document_id=document.id,
                    document_sha256=_pinned(document, form),
                    form=form,
                    digest=digest,
                    state="stamping",
                    idempotency_mac=key_mac,
                    request_mac=request_mac,
                    created_at=work.now,
                )
            )
            ordered = await _one(work.connection, client.id, document.id, timestamp_id)
            await note(work, ordered, "timestamp.ordered", actor, form=form)
            payload = {"client": client.id, "document": document.id, "timestamp": timestamp_id}
            await enqueue(work, "stamp", ordered.subject, payload, client_id=client.id, queue="intake")
            return ordered
    except IntegrityError:
        known = None if key_mac is None else await _known(services, client.id, key_mac, request_mac)
        if known is None:
            raise
        return known


async def made(services: Services, ordered: DocumentTimestamp) -> DocumentTimestamp:
    """Wait a while for the worker and return the timestamp as it is then.

    Raises:
        ProblemError: the code of the reason, where there is none.
    """

    async def look() -> DocumentTimestamp | None:
        async with services.database.read() as connection:
            found = await _one(connection, ordered.client_id, ordered.document_id, ordered.id)
        return None if found.state == "stamping" else found

    seconds = services.limits.timestamp_wait_seconds
    current = await services.changes.until(ordered.subject, look, seconds) or ordered
    if current.problem is not None:
        more = {"party": current.problem["party"]} if current.problem.get("party") else {}
        raise ProblemError(current.problem["code"], current.problem["detail"], **more)
    return current


async def get(services: Services, client_id: str, document_id: str, timestamp_id: str) -> DocumentTimestamp:
    """Return a timestamp of a document that is still there.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND, TIMESTAMP_NOT_FOUND.
    """
    async with services.database.read() as connection:
        await documents.get(services.vault, connection, client_id, document_id, services.clock())
        return await _one(connection, client_id, document_id, timestamp_id)


async def downloaded(
    services: Services, client: Client, actor: Actor, document_id: str, timestamp_id: str
) -> tuple[DocumentTimestamp, Document]:
    """Return a timestamp that is about to be handed over, with its document, and record that.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND, TIMESTAMP_NOT_FOUND, TIMESTAMP_NOT_READY.
    """
    async with services.database.write() as work:
        document = await documents.get(services.vault, work.connection, client.id, document_id, work.now)
        found = await _one(work.connection, client.id, document_id, timestamp_id)
        if found.result_object is None or found.result_sha256 is None:
            raise ProblemError("TIMESTAMP_NOT_READY", f"the timestamp is {found.state}")
        await note(work, found, "timestamp.downloaded", actor, sha256=found.result_sha256.hex())
        return found, document


async def settle(work: Work, found: DocumentTimestamp, state: State, **values: Any) -> bool:
    """Write down what became of an order; False where it is gone or was settled by somebody else."""
    statement = update(table).where(table.c.id == found.id, table.c.state == "stamping")
    changed = await work.connection.execute(statement.values(state=state, **values))
    work.tell("web", found.subject)
    return changed.rowcount == 1


async def find(connection: AsyncConnection, timestamp_id: str) -> DocumentTimestamp | None:
    """Return a timestamp, whatever became of its document."""
    row = (await connection.execute(select(table).where(table.c.id == timestamp_id))).mappings().one_or_none()
    return None if row is None else _of(row)


async def of_document(connection: AsyncConnection, client_id: str, document_id: str) -> list[DocumentTimestamp]:
    """Return all timestamps that were ordered on a document, oldest first."""
    statement = select(table).where(table.c.client_id == client_id, table.c.document_id == document_id)
    rows = (await connection.execute(statement.order_by(table.c.created_at))).mappings().all()
    return [_of(row) for row in rows]


async def note(work: Work, found: DocumentTimestamp, event: str, actor: Actor, **data: Any) -> None:
    """Write an event about a timestamp (FTS-AUD-1)."""
    await record(
        work,
        event,
        actor,
        client_id=found.client_id,
        document_id=found.document_id,
        timestamp=found.id,
        document_sha256=found.document_sha256.hex(),
        **data,
    )


async def objects_of(connection: AsyncConnection, client_id: str, document_id: str) -> list[str]:
    """Return the names of the objects of a document's timestamps."""
    statement = select(table.c.result_object).where(
        table.c.client_id == client_id, table.c.document_id == document_id, table.c.result_object.is_not(None)
    )
    return list((await connection.execute(statement)).scalars())


async def remove(work: Work, client_id: str, document_id: str) -> None:
    """Remove the rows of a document's timestamps."""
    await work.connection.execute(
        delete(table).where(table.c.client_id == client_id, table.c.document_id == document_id)
    )


def _pinned(document: Document, form: Form) -> bytes:
    if document.problem is not None and form == "pdf":
        raise ProblemError(document.problem["code"], document.problem["detail"])
    if form != "pdf":
        return document.sha256
    if document.media_type != "application/pdf":
        raise ProblemError("NOT_A_PDF", f"the document {document.id} is {document.media_type}; take another form")
    if document.effective_sha256 is None:
        raise ProblemError("DOCUMENT_NOT_READY", f"the document {document.id} is still inspected")
    return document.effective_sha256


def _request_mac(keyring: Keyring, client_id: str, document_id: str, form: Form, digest: str) -> bytes:
    return keyring.mac("idempotency", f"{client_id} timestamp request {json.dumps([document_id, form, digest])}")


async def _known(services: Services, client_id: str, key_mac: bytes, request_mac: bytes) -> DocumentTimestamp | None:
    statement = select(table).where(table.c.client_id == client_id, table.c.idempotency_mac == key_mac)
    async with services.database.read() as connection:
        row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        return None
    known = _of(row)
    if not services.keyring.same(known.request_mac, request_mac):
        raise ProblemError("IDEMPOTENCY_MISMATCH", "the key belongs to a request with another content")
    return known


async def _one(connection: AsyncConnection, client_id: str, document_id: str, timestamp_id: str) -> DocumentTimestamp:
    found = await find(connection, timestamp_id)
    if found is None or (found.client_id, found.document_id) != (client_id, document_id):
        raise ProblemError("TIMESTAMP_NOT_FOUND", f"the document has no timestamp {timestamp_id}")
    return found


def _of(row: RowMapping) -> DocumentTimestamp:
    return DocumentTimestamp(**{name: value for name, value in row.items() if name != "idempotency_mac"})
