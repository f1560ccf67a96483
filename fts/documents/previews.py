"""Pages as pictures and text, drawn by a worker when they are first asked for."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.documents.models import preview as table
from fts.documents.service import Document
from fts.jobs.queue import enqueue
from fts.problems import ProblemError
from fts.services import Services


@dataclass(frozen=True, slots=True)
class Preview:
    """Where a drawn page is."""

    image_object: str | None
    text_object: str | None
    problem: str | None
    """Its code."""


async def page_of(services: Services, document: Document, page: int) -> Preview:
    """Return a page, waiting for a worker to draw it.

    Raises:
        ProblemError: PAGE_NOT_FOUND, PREVIEW_UNAVAILABLE.
    """
    if not 1 <= page <= (document.pages or 0):
        raise ProblemError("PAGE_NOT_FOUND", f"the document has {document.pages} pages")
    found = await _find(services, document, page)
    if found is None:
        async with services.database.write() as work:
            payload = {"client": document.client_id, "document": document.id, "page": page}
            key = f"preview:{document.subject}:{page}"
            await enqueue(
                work, "preview", document.subject, payload, client_id=document.client_id, queue="intake", key=key
            )
        seconds = services.limits.preview_wait_seconds
        found = await services.changes.until(document.subject, lambda: _find(services, document, page), seconds)
    if found is None:
        raise ProblemError("PREVIEW_UNAVAILABLE", f"page {page} was not drawn in time")
    if found.problem is not None:
        raise ProblemError("PREVIEW_UNAVAILABLE", f"page {page} cannot be drawn ({found.problem})")
    return found


async def drawn(connection: AsyncConnection, document: Document) -> list[tuple[int, Preview]]:
    """Return the pages that were drawn, with their numbers."""
    statement = select(table.c.page, table.c.image_object, table.c.text_object, table.c.problem).where(
        table.c.client_id == document.client_id, table.c.document_id == document.id
    )
    rows = await connection.execute(statement.order_by(table.c.page))
    return [(page, Preview(*rest)) for page, *rest in rows]


async def _find(services: Services, document: Document, page: int) -> Preview | None:
    statement = select(table.c.image_object, table.c.text_object, table.c.problem).where(
        table.c.client_id == document.client_id, table.c.document_id == document.id, table.c.page == page
    )
    async with services.database.read() as connection:
        row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Preview(*row)
