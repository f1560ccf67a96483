"""What clients do with signings: create, cancel."""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from fts.audit.service import Actor, record
from fts.clients.service import Client
from fts.documents import service as documents
from fts.documents.service import Document
from fts.problems import ProblemError
from fts.services import Services
from fts.signings import store
from fts.signings.models import signing as table
from fts.signings.states import BEFORE_THE_VALUE, State
from fts.signings.store import Signing, StaleError, move

PROFILES: Final = ("PADES_LTA", "PADES_LT", "PADES_T", "PADES_B")

_TRIALS: Final = 5
"""How often a move is tried when somebody else moves the signing at the same time."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a client asks for."""

    document: str
    profile: str
    return_url: str
    state: str | None
    language: str | None
    identification_number: str | None
    expires_in: int

    @property
    def sha256(self) -> bytes:
        """A digest over all of it, to recognise a repeated request."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).digest()


async def create(services: Services, client: Client, actor: Actor, order: Order, key: str | None) -> Signing:
    """Create a signing, or return the one that the same request with the same key made.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND, DOCUMENT_NOT_READY, the document's own code, RETURN_URL_UNKNOWN,
            IDEMPOTENCY_MISMATCH.
    """
    if key is not None and (known := await _known(services, client, order, key)) is not None:
        return known
    if order.return_url not in client.return_urls:
        raise ProblemError("RETURN_URL_UNKNOWN", f"{order.return_url} is not among the registered return URLs")
    signing_id = secrets.token_hex(16)
    try:
        async with services.database.write() as work:
            document = await documents.get(work.connection, client.id, order.document, work.now)
            pinned = _signable(document)
            deadline = min(work.now + timedelta(seconds=order.expires_in), document.expires_at)
            await work.connection.execute(
                insert(table).values(
                    id=signing_id,
                    client_id=client.id,
                    document_id=document.id,
                    document_sha256=pinned,
                    idempotency_key=key,
                    request_sha256=order.sha256,
                    state=State.CREATED.value,
                    version=1,
                    profile=order.profile,
                    return_url=order.return_url,
                    client_state=order.state,
                    language=order.language,
                    allowed_number=order.identification_number,
                    created_at=work.now,
                    deadline=deadline,
                )
            )
            await record(
                work,
                "signing.created",
                actor,
                client_id=client.id,
                document_id=document.id,
                signing_id=signing_id,
                profile=order.profile,
                document_sha256=pinned.hex(),
                deadline=deadline.isoformat(),
            )
            return await store.of_client(work.connection, client.id, signing_id, work.now)
    except IntegrityError:
        known = None if key is None else await _known(services, client, order, key)
        if known is None:
            raise
        return known


async def cancel(services: Services, client: Client, actor: Actor, signing_id: str) -> Signing:
    """End a signing on the client's order; repeating it changes nothing.

    Raises:
        ProblemError: SIGNING_NOT_FOUND, SIGNING_ENDED, SIGNING_FINISHING.
    """
    for _ in range(_TRIALS):
        async with services.database.read() as connection:
            signing = await store.of_client(connection, client.id, signing_id, services.clock())
        if signing.state is State.CANCELLED:
            return signing
        if signing.state is State.FINISHING:
            raise ProblemError("SIGNING_FINISHING", "the signer has signed; the signed document is being made")
        if signing.state.has_ended:
            raise ProblemError("SIGNING_ENDED", f"the signing is {signing.state}", state=signing.state.value)
        try:
            async with services.database.write() as work:
                await move(work, signing, State.CANCELLED, "signing.cancelled", actor)
        except StaleError:
            continue
    raise ProblemError("OVERLOADED", "the signing is moved by others again and again")


async def delete_document(services: Services, client: Client, actor: Actor, document_id: str) -> None:
    """Remove a document with everything derived from it; signings that wait for a signer are cancelled (FTS-GDPR-2).

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND, DOCUMENT_IN_USE.
    """
    async with services.database.read() as connection:
        await documents.get(connection, client.id, document_id, services.clock())
    await destroy(services, client.id, document_id, actor, "document.deleted")


async def destroy(services: Services, client_id: str, document_id: str, actor: Actor, event: str) -> None:
    """Remove a document, its signings and all of their objects.

    Raises:
        ProblemError: DOCUMENT_IN_USE, a signature is being finished.
    """
    async with services.database.write() as work:
        names = await documents.objects_of(work.connection, client_id, document_id)
        for signing in await store.of_document(work.connection, client_id, document_id):
            if signing.state is State.FINISHING:
                raise ProblemError("DOCUMENT_IN_USE", f"the signing {signing.id} is being finished")
            if signing.state in BEFORE_THE_VALUE:
                await move(work, signing, State.CANCELLED, "signing.cancelled", actor)
            names += signing.objects
        await store.remove(work, client_id, document_id)
        await documents.remove(work, client_id, document_id)
        await record(work, event, actor, client_id=client_id, document_id=document_id, objects=len(names))
    for name in names:
        await services.store.delete(name)


def signing_url(services: Services, signing: Signing) -> str:
    """Return the address for the signer; the secret is in the fragment, which no server and no Referer sees."""
    secret = services.keyring.token("signing-link", signing.id)
    return f"{services.configuration.public_url}/sign/{signing.id}#{secret}"


def _signable(document: Document) -> bytes:
    if document.problem is not None:
        raise ProblemError(document.problem["code"], document.problem["detail"])
    if document.effective_sha256 is None:
        raise ProblemError("DOCUMENT_NOT_READY", f"the document {document.id} is still inspected")
    return document.effective_sha256


async def _known(services: Services, client: Client, order: Order, key: str) -> Signing | None:
    async with services.database.read() as connection:
        known = await store.by_key(connection, client.id, key)
    if known is not None and known.request_sha256 != order.sha256:
        raise ProblemError("IDEMPOTENCY_MISMATCH", "the key belongs to a request with another content")
    return known
