"""Jobs about documents: inspection and previews."""

import secrets
from pathlib import Path
from typing import Any

from fts.audit.service import Actor, record
from fts.db.database import Work
from fts.db.inserting import insert_into
from fts.digests import file_sha256
from fts.documents import service
from fts.documents.models import preview as previews
from fts.documents.service import Document, object_name
from fts.errors import RefusalError
from fts.frames import Message
from fts.incidents.service import Finding, note
from fts.jobs.queue import Job, complete
from fts.jobs.runner import Worker
from fts.problems import problem_of
from signing.ports import DocumentChangedError
from storage.envelope import EnvelopeError
from storage.ports import ObjectMissingError


async def inspect(worker: Worker, job: Job) -> None:
    """Judge an upload: ready, rewritten and ready, or rejected."""
    services = worker.services
    document = await _document(worker, job)
    if document is None or document.state != "inspecting":
        await worker.drop(job)
        return
    with services.spool("job") as directory:
        original, rewritten = directory / "document", directory / "rewritten"
        await fetch_pinned(worker, document, document.object, document.sha256, original)
        request = {
            "task": "inspect",
            "document": str(original),
            "media_type": document.media_type,
            "allow_rewrite": document.repair_allowed,
            "rewritten": str(rewritten),
        }
        try:
            found = await worker.in_process(request)
        except RefusalError as refusal:
            await reject(worker, job, document, refusal)
            return
        repair = found["repair"]
        effective = document.object
        if repair is not None:
            effective = object_name(document.bucket)
            await services.vault.put(document.key, effective, rewritten)
    async with services.database.write() as work:
        await complete(work, job)
        await service.judge(
            work,
            document,
            state="ready",
            pages=found["pages"],
            signatures=found["signatures"],
            repair=repair,
            effective_object=effective,
            effective_sha256=bytes.fromhex(repair["rewritten_sha256"]) if repair else document.sha256,
        )
        await _note(
            work,
            document,
            "document.ready",
            pages=found["pages"],
            rewritten_sha256=repair and repair["rewritten_sha256"],
        )


async def reject(worker: Worker, job: Job, document: Document, refusal: RefusalError) -> None:
    """Write down that a document cannot be signed, and why."""
    problem = problem_json(refusal)
    async with worker.services.database.write() as work:
        await complete(work, job)
        await service.judge(work, document, state="rejected", problem=problem)
        await _note(work, document, "document.rejected", code=problem["code"])


async def give_up_inspection(worker: Worker, job: Job, refusal: RefusalError) -> None:
    """Reject a document whose inspection does not come to an end."""
    document = await _document(worker, job)
    if document is None or document.state != "inspecting":
        await worker.drop(job)
    else:
        await reject(worker, job, document, refusal)


async def preview(worker: Worker, job: Job) -> None:
    """Draw a page."""
    document = await _document(worker, job)
    if document is None or document.effective_object is None or document.effective_sha256 is None:
        await worker.drop(job)
        return
    services, page = worker.services, job.payload["page"]
    image_name, text_name = object_name(document.bucket), object_name(document.bucket)
    with services.spool("job") as directory:
        source, image, text = directory / "document", directory / "image", directory / "text"
        await fetch_pinned(worker, document, document.effective_object, document.effective_sha256, source)
        request = {
            "task": "draw",
            "document": str(source),
            "media_type": document.media_type,
            "page": page,
            "image": str(image),
            "text": str(text),
        }
        try:
            drawn = await worker.in_process(request)
        except RefusalError as refusal:
            await give_up_preview(worker, job, refusal)
            return
        if drawn["has_image"]:
            await services.vault.put(document.key, image_name, image)
        await services.vault.put(document.key, text_name, text)
    async with services.database.write() as work:
        await complete(work, job)
        kept = image_name if drawn["has_image"] else None
        await _keep_preview(work, document, page, image_object=kept, text_object=text_name)


async def give_up_preview(worker: Worker, job: Job, refusal: RefusalError) -> None:
    """Write down that a page cannot be drawn."""
    document = await _document(worker, job)
    if document is None:
        await worker.drop(job)
        return
    async with worker.services.database.write() as work:
        await complete(work, job)
        await _keep_preview(work, document, job.payload["page"], problem=problem_json(refusal)["code"])


async def fetch_pinned(worker: Worker, document: Document, name: str, sha256: bytes | None, destination: Path) -> None:
    """Bring an object to a file and check that it is the one that was pinned; without a digest, that it was kept so.

    Raises:
        RefusalError: DOCUMENT_CHANGED.
    """
    try:
        await worker.services.vault.fetch(document.key, name, destination)
        same = sha256 is None or secrets.compare_digest(await worker.in_thread(file_sha256, destination), sha256)
    except (EnvelopeError, ObjectMissingError):
        same = False
    if not same:
        async with worker.services.database.write() as work:
            await note(work, Finding("document_changed", document.client_id, Actor.system(), f"document {document.id}"))
        problem = DocumentChangedError("the stored document is not the one that was uploaded")
        raise RefusalError(problem.code, str(problem), problem.remedy)


def problem_json(refusal: RefusalError) -> Message:
    """Return a refusal as it is kept and shown."""
    problem = problem_of(refusal)
    return {
        "code": problem.code,
        "title": problem.title,
        "detail": str(refusal),
        "remedy": problem.remedy,
        "party": refusal.party,
    }


async def _document(worker: Worker, job: Job) -> Document | None:
    client, document = job.payload["client"], job.payload["document"]
    async with worker.services.database.read() as connection:
        return await service.find(worker.services.vault, connection, client, document, worker.services.clock())


async def _keep_preview(work: Work, document: Document, page: int, **values: Any) -> None:
    key = {"client_id": document.client_id, "document_id": document.id, "page": page}
    if await service.exists(work.connection, document, work.now):
        await work.connection.execute(insert_into(work, previews).values(**key, **values).on_conflict_do_nothing())
    work.tell("web", document.subject)


async def _note(work: Work, document: Document, event: str, **data: Any) -> None:
    await record(
        work,
        event,
        Actor.system(),
        client_id=document.client_id,
        document_id=document.id,
        **{name: value for name, value in data.items() if value is not None},
    )
