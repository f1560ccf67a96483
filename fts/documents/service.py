"""The rules of documents: pinned by their digest, inspected by a worker, gone when their time is over."""

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.service import Actor, record
from fts.clients.capacity import spend_octets
from fts.clients.models import client as clients
from fts.clients.service import Client
from fts.clients.service import find as find_client
from fts.custody import seal_members, unseal_members
from fts.db.database import Work
from fts.documents.models import document as table
from fts.documents.models import preview as previews
from fts.jobs.queue import enqueue
from fts.problems import ProblemError
from fts.services import Services
from storage.envelope import DocumentKey
from storage.keys import KeyMissingError
from storage.ports import StorageError
from storage.spooling import new_file
from storage.vault import Vault

State = Literal["inspecting", "ready", "rejected"]


@dataclass(frozen=True, slots=True)
class Document:
    """A client's document."""

    client_id: str
    id: str
    key_id: str
    state: State
    media_type: str
    """As the client called it: PDF and XML are read, any other file is not."""
    size: int
    sha256: bytes
    object: str
    effective_object: str | None
    effective_sha256: bytes | None
    pages: int | None
    signatures: int | None
    repair_allowed: bool
    uploaded_at: datetime
    expires_at: datetime
    key: DocumentKey = field(repr=False)
    """Opens its objects and sealed members."""
    name: str = field(repr=False)
    repair: dict[str, Any] | None = field(repr=False)
    problem: dict[str, Any] | None = field(repr=False)

    @property
    def subject(self) -> str:
        """What news about it is called."""
        return f"document:{self.client_id}/{self.id}"

    @property
    def bucket(self) -> str:
        """Where its objects are."""
        return self.object.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Upload:
    """What a client says about the octets it sends."""

    document_id: str
    name: str
    sha256: bytes
    media_type: str


async def receive(
    services: Services, client: Client, actor: Actor, upload: Upload, body: AsyncIterator[bytes]
) -> Document:
    """Take in a document; its inspection follows.

    Raises:
        ProblemError: BODY_TOO_LARGE, DIGEST_MISMATCH, UPLOAD_INCOMPLETE, DOCUMENT_EXISTS.
    """
    async with services.database.read() as connection:
        known = await find(services.vault, connection, client.id, upload.document_id, services.clock())
    if known is not None:
        return _repeated(known, upload)
    key_id, key = await services.vault.new_key(client.id)
    name = object_name(client.definition.bucket)
    try:
        with services.spool("upload") as directory:
            path = directory / "document"
            size = await _spool(key.encrypting(new_file(path), name), body, upload, services.limits.document_bytes)
            await services.vault.objects.put(name, path)
    except BaseException:
        await _discard(services, client, key_id, name)
        raise
    try:
        async with services.database.write() as work:
            await _check_account(work, client.id)
            stored = await _insert(work, client, upload, size, name, key_id, key)
            await record(
                work,
                "document.uploaded",
                actor,
                client_id=client.id,
                document_id=upload.document_id,
                sha256=upload.sha256.hex(),
                size=size,
                media_type=upload.media_type,
            )
            await spend_octets(work, client, size)
            payload = {"client": client.id, "document": stored.id}
            await enqueue(work, "inspect", stored.subject, payload, client_id=client.id, queue="intake")
            return stored
    except IntegrityError:
        await _discard(services, client, key_id, name)
        async with services.database.read() as connection:
            found = await get(services.vault, connection, client.id, upload.document_id, services.clock())
        return _repeated(found, upload)
    except ProblemError:
        await _discard(services, client, key_id, name)
        raise


async def inspected(services: Services, document: Document) -> Document:
    """Wait a while for the inspection and return the document as it is then.

    Raises:
        ProblemError: the code of the refusal, where the document was rejected.
    """

    async def look() -> Document | None:
        async with services.database.read() as connection:
            found = await get(services.vault, connection, document.client_id, document.id, services.clock())
        return None if found.state == "inspecting" else found

    seconds = services.limits.inspection_wait_seconds
    current = await services.changes.until(document.subject, look, seconds) or document
    if current.problem is not None:
        raise ProblemError(current.problem["code"], current.problem["detail"])
    return current


async def find(
    vault: Vault, connection: AsyncConnection, client_id: str, document_id: str, now: datetime
) -> Document | None:
    """Return a document; one whose time is over, or whose key is gone, does not exist any more (FTS-GDPR-1)."""
    statement = select(table).where(table.c.client_id == client_id, table.c.id == document_id, table.c.expires_at > now)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    try:
        key = await vault.key(client_id, row.key_id)
    except KeyMissingError:
        return None
    values = dict(row._mapping)
    members = unseal_members(key, values.pop("sealed"), _context(client_id, document_id))
    return Document(**values, key=key, **members)


async def get(vault: Vault, connection: AsyncConnection, client_id: str, document_id: str, now: datetime) -> Document:
    """Return a document.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND.
    """
    document = await find(vault, connection, client_id, document_id, now)
    if document is None:
        raise ProblemError("DOCUMENT_NOT_FOUND", f"there is no document {document_id}")
    return document


async def exists(connection: AsyncConnection, document: Document, now: datetime) -> bool:
    """Tell whether a document that was read is still there."""
    statement = select(table.c.id).where(table.c.key_id == document.key_id, table.c.expires_at > now)
    return (await connection.execute(statement)).one_or_none() is not None


async def downloaded(services: Services, client: Client, actor: Actor, document_id: str) -> Document:
    """Return a document whose original is about to be handed over, and record that.

    The document is read before the transaction, which makes sure that it is still there.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND.
    """
    async with services.database.read() as connection:
        document = await get(services.vault, connection, client.id, document_id, services.clock())
    async with services.database.write() as work:
        await check_there(work, document)
        await record(
            work,
            "document.downloaded",
            actor,
            client_id=client.id,
            document_id=document_id,
            sha256=document.sha256.hex(),
        )
    return document


async def check_there(work: Work, document: Document) -> None:
    """Make sure that a document that was read before the transaction is not gone.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND.
    """
    if not await exists(work.connection, document, work.now):
        raise ProblemError("DOCUMENT_NOT_FOUND", f"there is no document {document.id}")


async def judge(
    work: Work,
    document: Document,
    *,
    repair: dict[str, Any] | None = None,
    problem: dict[str, Any] | None = None,
    **values: Any,
) -> None:
    """Write down what the inspection found."""
    members = {"name": document.name, "repair": repair, "problem": problem}
    sealed = seal_members(document.key, members, _context(document.client_id, document.id))
    await work.connection.execute(
        update(table)
        .where(table.c.client_id == document.client_id, table.c.id == document.id)
        .values(**values, sealed=sealed)
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


async def left_behind(connection: AsyncConnection, most: int) -> list[tuple[str, str]]:
    """Return documents whose client's account has ended: client and document."""
    ended = select(table.c.client_id, table.c.id).join(clients, clients.c.id == table.c.client_id)
    statement = ended.where(clients.c.offboarded_at.is_not(None)).limit(most)
    return [(row.client_id, row.id) for row in await connection.execute(statement)]


async def expired(connection: AsyncConnection, now: datetime, most: int) -> list[tuple[str, str]]:
    """Return documents whose time is over: client and document."""
    statement = select(table.c.client_id, table.c.id).where(table.c.expires_at <= now).limit(most)
    return [(row.client_id, row.id) for row in await connection.execute(statement)]


def object_name(bucket: str) -> str:
    """Return the name of a new object in a client's bucket."""
    return f"{bucket}/{secrets.token_hex(16)}"


def _context(client_id: str, document_id: str) -> str:
    return f"document {client_id}/{document_id}"


async def _discard(services: Services, client: Client, key_id: str, name: str) -> None:
    """Leave nothing of an upload that was not taken in; what cannot be removed now is removed as an orphan."""
    with suppress(StorageError):
        await services.vault.keys.delete(client.id, key_id)
        await services.vault.objects.delete(name)


def _repeated(known: Document, upload: Upload) -> Document:
    if known.sha256 != upload.sha256:
        raise ProblemError("DOCUMENT_EXISTS", f"the document {upload.document_id} has other content")
    if known.media_type != upload.media_type:
        raise ProblemError("DOCUMENT_EXISTS", f"the document {upload.document_id} is {known.media_type}")
    return known


async def _spool(file: BinaryIO, body: AsyncIterator[bytes], upload: Upload, most: int) -> int:
    """Write the body to the encrypting file while counting and hashing it; return its size."""
    digest, size = hashlib.sha256(), 0
    with file:
        async for chunk in body:
            size += len(chunk)
            if size > most:
                raise ProblemError("BODY_TOO_LARGE", f"a document has at most {most} octets")
            digest.update(chunk)
            file.write(chunk)
    if not hmac.compare_digest(digest.digest(), upload.sha256):
        raise ProblemError("DIGEST_MISMATCH", f"the SHA-256 of the {size} octets received is {digest.hexdigest()}")
    return size


async def _check_account(work: Work, client_id: str) -> None:
    """Take in nothing for an account that ended while the octets came (FTS-GDPR-2)."""
    if await find_client(work.connection, client_id) is None:
        raise ProblemError("CREDENTIALS_REQUIRED", "the account ended during the upload")


async def _insert(
    work: Work, client: Client, upload: Upload, size: int, name: str, key_id: str, key: DocumentKey
) -> Document:
    await _make_room(work, client.id, upload.document_id)
    values: dict[str, Any] = {
        "client_id": client.id,
        "id": upload.document_id,
        "key_id": key_id,
        "state": "inspecting",
        "media_type": upload.media_type,
        "size": size,
        "sha256": upload.sha256,
        "object": name,
        "repair_allowed": client.definition.repair,
        "uploaded_at": work.now,
        "expires_at": work.now + timedelta(hours=client.definition.retention_hours),
    }
    members: dict[str, Any] = {"name": upload.name, "repair": None, "problem": None}
    sealed = seal_members(key, members, _context(client.id, upload.document_id))
    await work.connection.execute(insert(table).values(**values, sealed=sealed))
    rest: dict[str, Any] = dict.fromkeys(("effective_object", "effective_sha256", "pages", "signatures"))
    return Document(**values, **rest, **members, key=key)


async def _make_room(work: Work, client_id: str, document_id: str) -> None:
    """Let an id be used again when the document that had it is over but not yet swept."""
    over = select(table.c.id).where(
        table.c.client_id == client_id, table.c.id == document_id, table.c.expires_at <= work.now
    )
    if (await work.connection.execute(over)).one_or_none() is not None:
        raise ProblemError("DOCUMENT_EXISTS", f"the document {document_id} is over and about to be removed")
