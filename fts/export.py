"""All data of a client as one stream (FTS-GDPR-2, FTS-GDPR-3): a tar archive (POSIX.1-2001, pax), made on the way.

client.json                                      the account and what is agreed
documents/ID/document.json, original.pdf         each document; .xml and .bin for what is not PDF
documents/ID/rewritten.pdf                       what is shown and signed, where the upload was damaged
documents/ID/pages/1.png, 1.txt, ...             pages that were drawn for signers
documents/ID/signings/SIGNING/signing.json, signed.pdf, .xml, .asice or .asics
documents/ID/timestamps/TIMESTAMP/timestamp.json, timestamped.pdf, .asics or .tst
trail/0001.jsonl, ...                            the client's events, one JSON object a line
"""

import asyncio
import json
import tarfile
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, BinaryIO, Final

from sqlalchemy import select

from fts.audit.models import event as event_table
from fts.audit.service import COLUMNS, JOINED, Actor, event_of, record
from fts.clients.service import Client
from fts.destruction import documents_of
from fts.documents import service as documents
from fts.documents.previews import drawn
from fts.documents.schemas import DocumentView
from fts.documents.service import Document
from fts.media_types import PDF, XML_TYPES
from fts.services import Services
from fts.signings import store
from fts.signings.schemas import SigningView
from fts.signings.store import Signing
from fts.timestamps import documents as timestamps
from fts.timestamps.document_routes import DocumentTimestampView
from fts.timestamps.documents import DocumentTimestamp
from fts.timestamps.forms import Form
from storage.envelope import EnvelopeError
from storage.keys import KeyMissingError

MEDIA_TYPE: Final = "application/x-tar"
_CHUNK: Final = 1 << 18
_BLOCK: Final = tarfile.BLOCKSIZE
_EVENTS: Final = 2000
"""Events in one member."""
_STAMPED: Final[dict[Form, str]] = {"pdf": ".pdf", "asic-s": ".asics", "detached": ".tst"}


async def begin(services: Services, client: Client, actor: Actor) -> list[str]:
    """Record that an export begins and return the documents that go into it."""
    async with services.database.write() as work:
        ids = await documents_of(work.connection, client.id)
        await record(work, "client.export_begun", actor, client_id=client.id, documents=len(ids))
    return ids


async def archive(services: Services, client: Client, actor: Actor, document_ids: list[str]) -> AsyncIterator[bytes]:
    """Yield the archive; a document that is destroyed before its turn is left out.

    Raises:
        StorageError: an object cannot be read, or its document is destroyed meanwhile; the archive ends in the middle.
    """
    made_at = services.clock()
    account = {"id": client.id, "made_at": _utc(made_at), "agreed": client.definition.model_dump(mode="json")}
    yield _member("client.json", _json(account), made_at)
    count = 0
    for document_id in document_ids:
        async with services.database.read() as connection:
            document = await documents.find(services.vault, connection, client.id, document_id, services.clock())
        if document is None:
            continue
        count += 1
        async for chunk in _document(services, document, made_at):
            yield chunk
    async for chunk in _trail(services, client, made_at):
        yield chunk
    yield bytes(2 * _BLOCK)
    async with services.database.write() as work:
        await record(work, "client.exported", actor, client_id=client.id, documents=count)


async def _document(services: Services, document: Document, made_at: datetime) -> AsyncIterator[bytes]:
    folder = f"documents/{document.id}"
    try:
        original = await services.vault.open(document.key, document.object)
    except KeyMissingError:
        return
    view = _member(f"{folder}/document.json", _json(DocumentView.of(document).model_dump(mode="json")), made_at)
    name = f"{folder}/original{_ending(document)}"
    async for chunk in _file(name, original, document.size, made_at, before=view):
        yield chunk
    async for chunk in _derived(services, document, folder, made_at):
        yield chunk
    async with services.database.read() as connection:
        listed = await store.of_document(connection, document.client_id, document.id)
        stamped = await timestamps.of_document(connection, document.client_id, document.id)
    for row in listed:
        async with services.database.read() as connection:
            signing = await store.find(services.vault, connection, row.id, services.clock())
        if signing is not None:
            async for chunk in _signing(services, document, signing, f"{folder}/signings/{signing.id}", made_at):
                yield chunk
    for timestamp in stamped:
        async for chunk in _timestamp(services, document, timestamp, f"{folder}/timestamps/{timestamp.id}", made_at):
            yield chunk


async def _derived(services: Services, document: Document, folder: str, made_at: datetime) -> AsyncIterator[bytes]:
    """Yield what workers made of the upload: its rewritten form, and the pages that were drawn."""
    made: list[tuple[str, str | None]] = []
    if document.effective_object not in (None, document.object):
        made.append((f"{folder}/rewritten{_ending(document)}", document.effective_object))
    async with services.database.read() as connection:
        for page, preview in await drawn(connection, document):
            made.append((f"{folder}/pages/{page}.png", preview.image_object))
            made.append((f"{folder}/pages/{page}.txt", preview.text_object))
    for name, kept in made:
        if kept is not None:
            size = await asyncio.to_thread(_length, await services.vault.open(document.key, kept))
            async for chunk in _file(name, await services.vault.open(document.key, kept), size, made_at):
                yield chunk


async def _timestamp(
    services: Services, document: Document, timestamp: DocumentTimestamp, folder: str, made_at: datetime
) -> AsyncIterator[bytes]:
    view = DocumentTimestampView.of(timestamp).model_dump(mode="json")
    yield _member(f"{folder}/timestamp.json", _json(view), made_at)
    if timestamp.result_object is not None and timestamp.result_size is not None:
        stream = await services.vault.open(document.key, timestamp.result_object)
        name = f"{folder}/timestamped{_STAMPED[timestamp.form]}"
        async for chunk in _file(name, stream, timestamp.result_size, made_at):
            yield chunk


async def _signing(
    services: Services, document: Document, signing: Signing, folder: str, made_at: datetime
) -> AsyncIterator[bytes]:
    view = SigningView.of(services, signing, document).model_dump(mode="json", exclude={"signing_url"})
    more = {
        "state_of_client": signing.personal.client_state,
        "allowed_number": signing.personal.allowed_number,
        "certificates": list(signing.personal.certificates),
    }
    yield _member(f"{folder}/signing.json", _json({**view, **more}), made_at)
    if signing.result_object is not None and signing.result_size is not None:
        signed = await services.vault.open(document.key, signing.result_object)
        async for chunk in _file(f"{folder}/signed{signing.asked.format.ending}", signed, signing.result_size, made_at):
            yield chunk


def _ending(document: Document) -> str:
    if document.media_type == PDF:
        return ".pdf"
    return ".xml" if document.media_type in XML_TYPES else ".bin"


async def _trail(services: Services, client: Client, made_at: datetime) -> AsyncIterator[bytes]:
    last, number = 0, 0
    while True:
        async with services.database.read() as connection:
            statement = (
                select(*COLUMNS)
                .select_from(JOINED)
                .where(event_table.c.client_id == client.id, event_table.c.id > last)
                .order_by(event_table.c.id)
                .limit(_EVENTS)
            )
            rows = (await connection.execute(statement)).all()
        if not rows:
            return
        last, number = rows[-1].id, number + 1
        events = [event_of(row, services.keyring) for row in rows]
        lines = [{**event.header(), "at": _utc(event.at), "personal": event.personal} for event in events]
        yield _member(f"trail/{number:04}.jsonl", b"".join(_json(line) for line in lines), made_at)


async def _file(name: str, stream: BinaryIO, size: int, made_at: datetime, before: bytes = b"") -> AsyncIterator[bytes]:
    try:
        yield before + _header(name, size, made_at)
        left = size
        while left:
            piece = await asyncio.to_thread(stream.read, min(_CHUNK, left))
            if not piece:
                raise EnvelopeError(f"the stored object of {name} is shorter than it was")
            left -= len(piece)
            yield piece
        yield bytes(-size % _BLOCK)
    finally:
        await asyncio.to_thread(stream.close)


def _length(stream: BinaryIO) -> int:
    with stream:
        return sum(map(len, iter(lambda: stream.read(_CHUNK), b"")))


def _member(name: str, content: bytes, made_at: datetime) -> bytes:
    return _header(name, len(content), made_at) + content + bytes(-len(content) % _BLOCK)


def _header(name: str, size: int, made_at: datetime) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, int(made_at.timestamp()), 0o600
    return member.tobuf(tarfile.PAX_FORMAT)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
