"""The job that timestamps a stored document."""

from datetime import datetime, timedelta
from typing import Final

from fts.audit.service import Actor
from fts.documents import service as documents
from fts.documents.service import Document, object_name
from fts.documents.tasks import fetch_pinned, problem_json
from fts.errors import RefusalError
from fts.jobs.queue import Job, complete
from fts.jobs.runner import Worker
from fts.timestamps.documents import DocumentTimestamp, find, note, settle

_OTHERS_FAULTS: Final = ("TIMESTAMP_", "REVOCATION_")
"""How the codes begin of what another party may do better when it is asked again."""
_PAUSES: Final = tuple(timedelta(seconds=s) for s in (0.5, 1, 2, 4, 8))


async def stamp(worker: Worker, job: Job) -> None:
    """Make the timestamp in a document process, keep the verified result."""
    services = worker.services
    found = await _found(worker, job)
    if found is None:
        await worker.drop(job)
        return
    ordered, document = found
    with services.spool("job") as directory:
        source, output = directory / "document", directory / "result"
        in_pdf = ordered.form == "pdf"
        stored = (document.effective_object or document.object) if in_pdf else document.object
        await fetch_pinned(worker, document, stored, ordered.document_sha256, source)
        request = {
            "task": "stamp",
            "document": str(source),
            "name": document.name,
            "form": ordered.form,
            "digest": ordered.digest,
            "output": str(output),
        }
        result = await worker.in_process(request)
        name = object_name(document.bucket)
        await services.vault.put(document.key, name, output)
    async with services.database.write() as work:
        await complete(work, job)
        values = {
            "result_object": name,
            "result_sha256": bytes.fromhex(result["sha256"]),
            "result_size": result["size"],
            "gen_time": datetime.fromisoformat(result["gen_time"]),
            "authority": result["authority"],
        }
        if settled := await settle(work, ordered, "ready", **values):
            data = {name: result[name] for name in ("sha256", "size", "gen_time", "authority", "serial_number")}
            await note(work, ordered, "timestamp.made", Actor.system(), form=ordered.form, **data)
    if not settled:
        await services.vault.objects.delete(name)


async def give_up(worker: Worker, job: Job, refusal: RefusalError) -> None:
    """Try again what another party may do better, within the budget; then write down why there is no timestamp."""
    found = await _found(worker, job)
    if found is None:
        await worker.drop(job)
        return
    problem = problem_json(refusal)
    if problem["code"].startswith(_OTHERS_FAULTS):
        pause = _PAUSES[min(job.attempts, len(_PAUSES)) - 1]
        over = found[0].created_at + timedelta(seconds=worker.services.limits.finishing_seconds)
        if worker.services.clock() + pause < over:
            await worker.retry(job, pause)
            return
    async with worker.services.database.write() as work:
        await complete(work, job)
        if await settle(work, found[0], "failed", problem=problem):
            data = {"code": problem["code"], "party": problem["party"]}
            await note(work, found[0], "timestamp.failed", Actor.system(), **data)


async def _found(worker: Worker, job: Job) -> tuple[DocumentTimestamp, Document] | None:
    services, payload = worker.services, job.payload
    async with services.database.read() as connection:
        ordered = await find(connection, payload["timestamp"])
        document = await documents.find(
            services.vault, connection, payload["client"], payload["document"], services.clock()
        )
    if ordered is None or document is None or ordered.state != "stamping":
        return None
    return ordered, document
