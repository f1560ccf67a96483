"""What clients do with signings: create, cancel."""

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
from fts.keyring import Keyring
from fts.problems import ProblemError
from fts.profiles.model import NamedProfile
from fts.profiles.registry import named
from fts.services import Services
from fts.signings import store
from fts.signings.models import signing as table
from fts.signings.states import State
from fts.signings.store import Personal, Signing, StaleError, move
from signing.asic.paths import check_name
from signing.asic.ports import ContainerError

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

    def mac(self, keyring: Keyring, client_id: str) -> bytes:
        """Return a keyed hash over all of it, to recognise a repeated request."""
        return keyring.mac("idempotency", f"{client_id} request {json.dumps(asdict(self), sort_keys=True)}")


async def create(services: Services, client: Client, actor: Actor, order: Order, key: str | None) -> Signing:
    """Create a signing, or return the one that the same request with the same key made.

    Raises:
        ProblemError: DOCUMENT_NOT_FOUND, DOCUMENT_NOT_READY, the document's own code, RETURN_URL_UNKNOWN,
            IDEMPOTENCY_MISMATCH, PROFILE_NOT_AGREED, PROFILE_UNSUITABLE, DOCUMENT_NAME.
    """
    key_mac = None if key is None else services.keyring.mac("idempotency", f"{client.id} key {key}")
    if key_mac is not None and (known := await _known(services, client, order, key_mac)) is not None:
        return known
    if order.profile not in client.definition.profiles:
        agreed = ", ".join(client.definition.profiles)
        raise ProblemError("PROFILE_NOT_AGREED", f"{order.profile} is not among the agreed profiles: {agreed}")
    if order.return_url not in client.definition.return_urls:
        raise ProblemError("RETURN_URL_UNKNOWN", "it is not among the registered return URLs")
    signing_id = secrets.token_hex(16)
    try:
        async with services.database.write() as work:
            document = await documents.get(services.vault, work.connection, client.id, order.document, work.now)
            pinned = _signable(document)
            _check_profile(client, document, named(order.profile))
            personal = Personal(order.return_url, order.state, order.identification_number)
            deadline = min(work.now + timedelta(seconds=order.expires_in), document.expires_at)
            await work.connection.execute(
                insert(table).values(
                    id=signing_id,
                    client_id=client.id,
                    document_id=document.id,
                    document_sha256=pinned,
                    idempotency_mac=key_mac,
                    request_mac=order.mac(services.keyring, client.id),
                    state=State.CREATED.value,
                    version=1,
                    profile=order.profile,
                    language=order.language,
                    sealed=personal.sealed(document.key, signing_id),
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
            return await store.of_client(services.vault, work.connection, client.id, signing_id, work.now)
    except IntegrityError:
        known = None if key_mac is None else await _known(services, client, order, key_mac)
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
            signing = await store.of_client(services.vault, connection, client.id, signing_id, services.clock())
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


def _check_profile(client: Client, document: Document, profile: NamedProfile) -> None:
    """Check that a profile fits a document: its media type, and the name by which a container will hold it."""
    if not profile.does_accept(document.media_type):
        fitting = [name for name in client.definition.profiles if named(name).does_accept(document.media_type)]
        detail = f"{profile.name} does not accept {document.media_type}; agreed are: {', '.join(fitting) or 'none'}"
        raise ProblemError("PROFILE_UNSUITABLE", detail)
    container = profile.format.container
    if container is None or container.media_type == document.media_type:
        return
    try:
        check_name(document.name)
    except ContainerError as error:
        raise ProblemError("DOCUMENT_NAME", str(error)) from error


async def _known(services: Services, client: Client, order: Order, key_mac: bytes) -> Signing | None:
    async with services.database.read() as connection:
        known = await store.by_key(services.vault, connection, client.id, key_mac)
    if known is not None and not services.keyring.same(known.request_mac, order.mac(services.keyring, client.id)):
        raise ProblemError("IDEMPOTENCY_MISMATCH", "the key belongs to a request with another content")
    return known
