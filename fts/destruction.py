"""Destruction (FTS-GDPR-1, FTS-GDPR-2): a document with everything derived from it.

The order is one transaction: rows go, the order with the names of key and objects comes, the event is written. Then the
key is deleted, which makes every copy unreadable, in backups too; then the objects; then the order is crossed off, with
the event that says so. What a crash interrupts is carried on by the next round, on any node; each step may be repeated.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.service import Actor, record
from fts.db.database import Work
from fts.documents import service as documents
from fts.documents.models import destruction as table
from fts.documents.models import document as document_table
from fts.problems import ProblemError
from fts.services import Services
from fts.signings import store
from fts.signings.states import BEFORE_THE_VALUE, State
from fts.signings.store import StaleError, move
from fts.timestamps import documents as timestamps
from storage.ports import StorageError

_TRIALS: Final = 5


@dataclass(frozen=True, slots=True)
class Order:
    """A destruction that was ordered."""

    key_id: str
    client_id: str
    document_id: str
    objects: tuple[str, ...]


async def order(
    work: Work, client_id: str, document_id: str, actor: Actor, event: str, *, even_in_use: bool = False
) -> Order | None:
    """Order the destruction of a document; None where there is none (any more).

    Raises:
        ProblemError: DOCUMENT_IN_USE, a signature is being finished and `even_in_use` is not set.
        StaleError: a signing was moved in the meantime.
    """
    statement = select(document_table.c.key_id, document_table.c.sha256).where(
        document_table.c.client_id == client_id, document_table.c.id == document_id
    )
    found = (await work.connection.execute(statement.with_for_update())).one_or_none()
    if found is None:
        return None
    names = await documents.objects_of(work.connection, client_id, document_id)
    names += await timestamps.objects_of(work.connection, client_id, document_id)
    digests = [found.sha256.hex()]
    for signing in await store.of_document(work.connection, client_id, document_id):
        if signing.state is State.FINISHING:
            if not even_in_use:
                raise ProblemError("DOCUMENT_IN_USE", f"the signing {signing.id} is being finished")
            await move(work, signing, State.FAILED, "signing.failed", actor, data={"code": "DOCUMENT_NOT_FOUND"})
        if signing.state in BEFORE_THE_VALUE:
            await move(work, signing, State.CANCELLED, "signing.cancelled", actor)
        if signing.result_sha256 is not None:
            digests.append(signing.result_sha256.hex())
        names += signing.objects
    await store.remove(work, client_id, document_id)
    await timestamps.remove(work, client_id, document_id)
    await documents.remove(work, client_id, document_id)
    ordered = Order(found.key_id, client_id, document_id, tuple(dict.fromkeys(names)))
    await work.connection.execute(
        insert(table).values(
            key_id=ordered.key_id,
            client_id=client_id,
            document_id=document_id,
            objects=list(ordered.objects),
            ordered_at=work.now,
        )
    )
    await record(
        work,
        event,
        actor,
        client_id=client_id,
        document_id=document_id,
        objects=len(ordered.objects),
        sha256=digests,
    )
    return ordered


async def carry_out(services: Services, ordered: Order) -> None:
    """Destroy what was ordered.

    Raises:
        StorageError: key or objects cannot be deleted now; the order stays.
    """
    await services.vault.keys.delete(ordered.client_id, ordered.key_id)
    for name in ordered.objects:
        await services.vault.objects.delete(name)
    async with services.database.write() as work:
        crossed = await work.connection.execute(delete(table).where(table.c.key_id == ordered.key_id))
        if crossed.rowcount == 1:
            await record(
                work,
                "document.destroyed",
                Actor.system(),
                client_id=ordered.client_id,
                document_id=ordered.document_id,
                objects=len(ordered.objects),
            )


async def destroy(
    services: Services, client_id: str, document_id: str, actor: Actor, event: str, *, even_in_use: bool = False
) -> Order | None:
    """Order the destruction of a document and carry it out at once.

    Raises:
        ProblemError: DOCUMENT_IN_USE, also where its signings are moved again and again.
        StorageError: it was ordered, and is carried out as soon as the store works.
    """
    for _ in range(_TRIALS):
        try:
            async with services.database.write() as work:
                ordered = await order(work, client_id, document_id, actor, event, even_in_use=even_in_use)
        except StaleError:
            continue
        if ordered is not None:
            await carry_out(services, ordered)
        return ordered
    raise ProblemError("DOCUMENT_IN_USE", "its signings are moved by others again and again")


async def delete_document(services: Services, client_id: str, actor: Actor, document_id: str) -> None:
    """Destroy a document on its client's order; signings that wait for a signer are cancelled.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND, DOCUMENT_IN_USE.
    """
    async with services.database.read() as connection:
        await documents.get(services.vault, connection, client_id, document_id, services.clock())
    await destroy(services, client_id, document_id, actor, "document.deletion_ordered")


async def documents_of(connection: AsyncConnection, client_id: str) -> list[str]:
    """Return the ids of a client's documents, over or not."""
    statement = select(document_table.c.id).where(document_table.c.client_id == client_id)
    return list((await connection.execute(statement.order_by(document_table.c.id))).scalars())


async def delete_all(services: Services, client_id: str, actor: Actor, *, even_in_use: bool) -> dict[str, Any]:
    """Destroy all documents of a client and return the report: what was destroyed, and what is in use.

    Raises:
        StorageError: some could not be destroyed now; all of them are ordered, and are not found any more.
    """
    async with services.database.read() as connection:
        ids = await documents_of(connection, client_id)
    destroyed, objects, in_use = 0, 0, []
    failure: StorageError | None = None
    for document_id in ids:
        try:
            done = await destroy(
                services, client_id, document_id, actor, "document.deletion_ordered", even_in_use=even_in_use
            )
        except ProblemError:
            in_use.append(document_id)
            continue
        except StorageError as error:
            failure = error
            continue
        if done is not None:
            destroyed += 1
            objects += len(done.objects)
    if failure is not None:
        raise failure
    return {"documents": destroyed, "objects": objects, "in_use": in_use}


async def open_orders(connection: AsyncConnection, before: datetime, most: int) -> list[Order]:
    """Return orders from before a moment that are not carried out."""
    statement = select(table).where(table.c.ordered_at <= before).order_by(table.c.ordered_at).limit(most)
    return [
        Order(row.key_id, row.client_id, row.document_id, tuple(row.objects))
        for row in await connection.execute(statement)
    ]
