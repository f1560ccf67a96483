"""Jobs about signings: prepare what is to be signed, make the signed document."""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from fts.audit.service import Actor
from fts.documents import service as documents
from fts.documents.service import Document, object_name
from fts.documents.tasks import fetch_pinned, problem_json
from fts.errors import RefusalError
from fts.frames import Message
from fts.jobs.queue import Job, complete
from fts.jobs.runner import Worker
from fts.signings import store
from fts.signings.states import State
from fts.signings.store import Signing, move

_FATAL_TO_THE_DOCUMENT: Final = frozenset(
    {
        "DOCUMENT_CHANGED",
        "DOCUMENT_LOCKED",
        "DOCUMENT_NAME",
        "ASIC_CONTAINER_INVALID",
        "ASIC_CONTAINER_TOO_LARGE",
        "XML_DAMAGED",
        "XML_NOT_CANONICAL",
        "XML_TOO_LARGE",
        "INTERNAL_ERROR",
    }
)
"""Reasons that another card does not help against."""

_OTHERS_FAULTS: Final = frozenset(
    {
        "TIMESTAMP_ERROR",
        "TIMESTAMP_UNAVAILABLE",
        "TIMESTAMP_REJECTED",
        "TIMESTAMP_INVALID",
        "REVOCATION_ERROR",
        "REVOCATION_UNAVAILABLE",
        "REVOCATION_INVALID",
        "REVOCATION_NOT_FRESH",
    }
)
"""What another party may do better when it is asked again."""

_PAUSES: Final = tuple(timedelta(seconds=s) for s in (0.5, 1, 2, 4, 8))


async def prepare(worker: Worker, job: Job) -> None:
    """Check the certificate and build what is to be signed; a refused certificate lets the signer take another."""
    services = worker.services
    found = await _found(worker, job)
    if found is None or not _is_current(found[0], job):
        await worker.drop(job)
        return
    signing, document = found
    with services.spool("job") as directory:
        source, kept = directory / "document", directory / "prepared"
        await fetch_pinned(worker, document, _effective(document), signing.document_sha256, source)
        request = {
            "task": "prepare_from",
            "document": str(source),
            "prepared": str(kept),
            "certificates": list(signing.personal.certificates),
            "allowed_number": signing.personal.allowed_number,
            **_wanted(signing, document),
        }
        result = await worker.in_process(request, signing.id)
        name = object_name(document.bucket)
        await services.vault.put(document.key, name, kept)
    number = result["signer_number"]
    async with services.database.write() as work:
        await complete(work, job)
        await move(
            work,
            signing,
            State.PREPARED,
            "signing.prepared",
            Actor.system(),
            digest=bytes.fromhex(result["digest"]),
            digest_algorithm=result["digest_algorithm"],
            signature_algorithm=bytes.fromhex(result["signature_algorithm"]),
            prepared_object=name,
            personal={"signer_name": result["signer_name"], "signer_number": number},
            signer_number=number,
            data={"digest": result["digest"]},
        )
    if signing.prepared_object is not None:
        await services.vault.objects.delete(signing.prepared_object)


async def give_up_preparing(worker: Worker, job: Job, refusal: RefusalError) -> None:
    """Tell the signer what is wrong with the certificate; end the signing where another would not help."""
    found = await _found(worker, job)
    if found is None or found[0].state is not State.PREPARING:
        await worker.drop(job)
        return
    signing, problem = found[0], problem_json(refusal)
    fatal = problem["code"] in _FATAL_TO_THE_DOCUMENT
    async with worker.services.database.write() as work:
        await complete(work, job)
        await move(
            work,
            signing,
            State.FAILED if fatal else State.OPENED,
            "signing.failed" if fatal else "signing.certificate_refused",
            Actor.system(),
            personal={"problem": problem},
            data={"code": problem["code"]},
        )


async def finish(worker: Worker, job: Job) -> None:
    """Make the signed document and keep it; another party's failure is tried again within the budget."""
    services = worker.services
    found = await _found(worker, job)
    if found is None or found[0].state is not State.FINISHING:
        await worker.drop(job)
        return
    signing, document = found
    if signing.prepared_object is None or signing.personal.signature is None:
        raise RefusalError("INTERNAL_ERROR", "what was prepared is not known", "Report it.")
    with services.spool("job") as directory:
        source, kept, signed = directory / "document", directory / "prepared", directory / "signed"
        await fetch_pinned(worker, document, _effective(document), signing.document_sha256, source)
        await fetch_pinned(worker, document, signing.prepared_object, None, kept)
        request = {
            "task": "finish_from",
            "document": str(source),
            "prepared": str(kept),
            "signature": signing.personal.signature,
            "signed": str(signed),
            **_wanted(signing, document),
        }
        result = await worker.in_process(request, signing.id)
        name = object_name(document.bucket)
        await services.vault.put(document.key, name, signed)
    async with services.database.write() as work:
        await complete(work, job)
        await move(
            work,
            signing,
            State.COMPLETED,
            "signing.completed",
            Actor.system(),
            result_object=name,
            result_sha256=bytes.fromhex(result["sha256"]),
            result_size=result["size"],
            level=result["level"],
            signed_at=_moment(result["signed_at"]),
            archived_at=_moment(result["archived_at"]),
            prepared_object=None,
            data={name: result[name] for name in ("sha256", "size", "level", "signed_at", "archived_at", "timestamps")},
        )
    await services.vault.objects.delete(signing.prepared_object)


async def give_up_finishing(worker: Worker, job: Job, refusal: RefusalError) -> None:
    """Try again what another party may do better, within the budget; then end the signing with the reason."""
    found = await _found(worker, job)
    if found is None or found[0].state is not State.FINISHING:
        await worker.drop(job)
        return
    signing, problem = found[0], problem_json(refusal)
    if problem["code"] in _OTHERS_FAULTS and signing.accepted_at is not None:
        pause = _PAUSES[min(job.attempts, len(_PAUSES)) - 1]
        over = signing.accepted_at + timedelta(seconds=worker.services.limits.finishing_seconds)
        if worker.services.clock() + pause < over:
            async with worker.services.database.write() as work:
                await store.note(
                    work,
                    signing,
                    "signing.tried_again",
                    Actor.system(),
                    code=problem["code"],
                    party=problem["party"],
                )
            await worker.retry(job, pause)
            return
    async with worker.services.database.write() as work:
        await complete(work, job)
        await move(
            work,
            signing,
            State.FAILED,
            "signing.failed",
            Actor.system(),
            personal={"problem": problem},
            data={"code": problem["code"], "party": problem["party"]},
        )


def _is_current(signing: Signing, job: Job) -> bool:
    certificate = signing.personal.certificate
    return (
        signing.state is State.PREPARING
        and certificate is not None
        and hashlib.sha256(certificate).hexdigest() == job.payload["certificate_sha256"]
    )


async def _found(worker: Worker, job: Job) -> tuple[Signing, Document] | None:
    now = worker.services.clock()
    async with worker.services.database.read() as connection:
        signing = await store.find(worker.services.vault, connection, job.payload["signing"], now)
        if signing is None:
            return None
        return signing, await documents.get(
            worker.services.vault, connection, signing.client_id, signing.document_id, now
        )


def _wanted(signing: Signing, document: Document) -> Message:
    """Return what the profile asks for, and what the document is."""
    asked = signing.asked
    profile = asked.engine_profile
    return {
        "format": asked.format,
        "packaging": asked.packaging,
        "container": asked.format.container,
        "level": profile.level,
        "digest": profile.digest,
        "archive_digest": profile.archive_digest,
        "name": document.name,
        "media_type": document.media_type,
    }


def _effective(document: Document) -> str:
    return document.effective_object or document.object


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
