"""The rules of documents: pinned by their digest, inspected by a worker, gone when their time is over."""

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.service import Actor, record
from fts.clients.service import Client
from fts.db.database import Work
from fts.documents.models import document as table
from fts.documents.models import preview as previews
from fts.jobs.queue import enqueue
from fts.problems import ProblemError
from fts.services import Services

State = Literal["inspecting", "ready", "rejected"]


@dataclass(frozen=True, slots=True)
class Document:
    """A client's document."""

    client_id: str
    id: str
    name: str
    state: State
    size: int
    sha256: bytes
    object: str
    effective_object: str | None
    effective_sha256: bytes | None
    pages: int | None
    signatures: int | None
    repair: dict[str, Any] | None
    problem: dict[str, Any] | None
    repair_allowed: bool
    uploaded_at: datetime
    expires_at: datetime

    @property
    def subject(self) -> str:
        """What news about it is called."""
        return f"document:{self.client_id}/{self.id}"


@dataclass(frozen=True, slots=True)
class Upload:
    """What a client says about the octets it sends."""

    document_id: str
    name: str
    sha256: bytes


async def receive(
    services: Services, client: Client, actor: Actor, upload: Upload, body: AsyncIterator[bytes]
) -> Document:
    """Take in a document; its inspection follows.

    Raises:
        ProblemError: BODY_TOO_LARGE, DIGEST_MISMATCH, UPLOAD_INCOMPLETE, DOCUMENT_EXISTS.
    """
    async with services.database.read() as connection:
        known = await find(connection, client.id, upload.document_id, services.clock())
    if known is not None:
        return _repeated(known, upload)
    with services.spool("upload") as directory:
        size = await _spool(directory / "document", body, upload, services.limits.document_bytes)
        name = object_name(client.id)
        await services.store.put(name, directory / "document")
    try:
        async with services.database.write() as work:
            stored = await _insert(work, client, upload, size, name)
            await record(
                work,
                "document.uploaded",
                actor,
                client_id=client.id,
                document_id=upload.document_id,
                sha256=upload.sha256.hex(),
                size=size,
            )
            await enqueue(work, "inspect", stored.subject, {"client": client.id, "document": stored.id}, queue="intake")
            return stored
    except IntegrityError:
        await services.store.delete(name)
        async with services.database.read() as connection:
            return _repeated(await get(connection, client.id, upload.document_id, services.clock()), upload)


async def inspected(services: Services, document: Document) -> Document:
    """Wait a while for the inspection and return the document as it is then.

    Raises:
        ProblemError: the code of the refusal, where the document was rejected.
    """

    async def look() -> Document | None:
        async with services.database.read() as connection:
            found = await get(connection, document.client_id, document.id, services.clock())
        return None if found.state == "inspecting" else found

    seconds = services.limits.inspection_wait_seconds
    current = await services.changes.until(document.subject, look, seconds) or document
    if current.problem is not None:
        raise ProblemError(current.problem["code"], current.problem["detail"])
    return current


async def find(connection: AsyncConnection, client_id: str, document_id: str, now: datetime) -> Document | None:
    """Return a document; one whose time is over does not exist any more (FTS-GDPR-1)."""
    statement = select(table).where(table.c.client_id == client_id, table.c.id == document_id, table.c.expires_at > now)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Document(**row._mapping)


async def get(connection: AsyncConnection, client_id: str, document_id: str, now: datetime) -> Document:
    """Return a document.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND.
    """
    document = await find(connection, client_id, document_id, now)
    if document is None:
        raise ProblemError("DOCUMENT_NOT_FOUND", f"there is no document {document_id}")
    return document


async def downloaded(services: Services, client: Client, actor: Actor, document_id: str) -> Document:
    """Return a document whose original is about to be handed over, and record that.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND.
    """
    async with services.database.write() as work:
        document = await get(work.connection, client.id, document_id, work.now)
        await record(work, "document.downloaded", actor, client_id=client.id, document_id=document_id)
        return document


async def judge(work: Work, document: Document, **values: Any) -> None:
    """Write down what the inspection found."""
    await work.connection.execute(
        update(table).where(table.c.client_id == document.client_id, table.c.id == document.id).values(**values)
    )
    work.tell("web", document.subject)


async def objects_of(connection: AsyncConnection, client_id: str, document_id: str) -> list[str]:
    """Return the names of the document's own objects and those of its previews."""
    own = select(table.c.object, table.c.effective_object).where(
        table.c.client_id == client_id, table.c.id == document_id
    )
    shown = select(previews.c.image_object, previews.c.text_object).where(
        previews.c.client_id == client_id, previews.c.document_id == document_id
    )
    rows = [*(await connection.execute(own)), *(await connection.execute(shown))]
    return [name for row in rows for name in row if name is not None]


async def remove(work: Work, client_id: str, document_id: str) -> None:
    """Remove the document's rows."""
    await work.connection.execute(
        delete(previews).where(previews.c.client_id == client_id, previews.c.document_id == document_id)
    )
    await work.connection.execute(delete(table).where(table.c.client_id == client_id, table.c.id == document_id))


async def expired(connection: AsyncConnection, now: datetime, most: int) -> list[tuple[str, str]]:
    """Return documents whose time is over: client and document."""
    statement = select(table.c.client_id, table.c.id).where(table.c.expires_at <= now).limit(most)
    return [(row.client_id, row.id) for row in await connection.execute(statement)]


def object_name(client_id: str) -> str:
    """Return the name of a new object in the client's bucket."""
    return f"{client_id}/{secrets.token_hex(16)}"


def _repeated(known: Document, upload: Upload) -> Document:
    if known.sha256 != upload.sha256:
        raise ProblemError("DOCUMENT_EXISTS", f"the document {upload.document_id} has other content")
    return known


async def _spool(path: Path, body: AsyncIterator[bytes], upload: Upload, most: int) -> int:
    """Write the body to the file while counting and hashing it; return its size."""
    digest, size = hashlib.sha256(), 0
    with path.open("xb", buffering=1 << 18) as file:
        async for chunk in body:
            size += len(chunk)
            if size > most:
                raise ProblemError("BODY_TOO_LARGE", f"a document has at most {most} octets")
            digest.update(chunk)
            file.write(chunk)
    if not hmac.compare_digest(digest.digest(), upload.sha256):
        raise ProblemError("DIGEST_MISMATCH", f"the SHA-256 of the {size} octets received is {digest.hexdigest()}")
    return size


async def _insert(work: Work, client: Client, upload: Upload, size: int, name: str) -> Document:
    await _make_room(work, client.id, upload.document_id)
    values: dict[str, Any] = {
        "client_id": client.id,
        "id": upload.document_id,
        "name": upload.name,
        "state": "inspecting",
        "size": size,
        "sha256": upload.sha256,
        "object": name,
        "repair_allowed": client.repair_allowed,
        "uploaded_at": work.now,
        "expires_at": work.now + timedelta(hours=client.retention_hours),
    }
    await work.connection.execute(insert(table).values(**values))
    rest: dict[str, Any] = dict.fromkeys(
        ("effective_object", "effective_sha256", "pages", "signatures", "repair", "problem")
    )
    return Document(**values, **rest)


async def _make_room(work: Work, client_id: str, document_id: str) -> None:
    """Let an id be used again when the document that had it is over but not yet swept."""
    over = select(table.c.id).where(
        table.c.client_id == client_id, table.c.id == document_id, table.c.expires_at <= work.now
    )
    if (await work.connection.execute(over)).one_or_none() is not None:
        raise ProblemError("DOCUMENT_EXISTS", f"the document {document_id} is over and about to be removed")
