"""Signings in the database: reading them, and the one way to move them."""

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.service import Actor, record
from fts.clients import service as clients
from fts.custody import seal_members, unseal_members
from fts.db.database import Work
from fts.documents.models import document as documents
from fts.jobs.queue import enqueue
from fts.problems import ProblemError
from fts.profiles.model import NamedProfile
from fts.profiles.registry import named
from fts.signings.models import signing as table
from fts.signings.states import BEFORE_THE_VALUE, MOVES, State
from storage.envelope import DocumentKey
from storage.keys import KeyMissingError
from storage.vault import Vault


class StaleError(RuntimeError):
    """Somebody else moved the signing in the meantime."""


@dataclass(frozen=True, slots=True)
class Personal:
    """What of a signing is sealed under the document's key."""

    return_url: str = ""
    client_state: str | None = None
    allowed_number: str | None = None
    certificates: tuple[str, ...] = ()
    """The signer's and its issuers', DER in hexadecimal."""
    signer_name: str | None = None
    signer_number: str | None = None
    signature: str | None = None
    """The signature value, hexadecimal."""
    problem: dict[str, Any] | None = None

    @property
    def certificate(self) -> bytes | None:
        """The signer's certificate, DER."""
        return bytes.fromhex(self.certificates[0]) if self.certificates else None

    def sealed(self, key: DocumentKey, signing_id: str) -> bytes:
        """Return it as the row keeps it."""
        return seal_members(key, asdict(self), f"signing {signing_id}")

    @classmethod
    def unsealed(cls, key: DocumentKey, sealed: bytes, signing_id: str) -> "Personal":
        """Return it from a row."""
        members = unseal_members(key, sealed, f"signing {signing_id}")
        return cls(**{**members, "certificates": tuple(members["certificates"])})


@dataclass(frozen=True, slots=True)
class Signing:
    """A signing as it was read."""

    id: str
    client_id: str
    document_id: str
    document_sha256: bytes
    """Of what is shown and signed: pinned when the signing was created."""
    request_mac: bytes
    state: State
    version: int
    profile: str
    language: str | None
    created_at: datetime
    deadline: datetime
    session_mac: bytes | None
    digest: bytes | None
    digest_algorithm: str | None
    signature_algorithm: bytes | None
    prepared_object: str | None
    accepted_at: datetime | None
    ended_at: datetime | None
    result_object: str | None
    result_sha256: bytes | None
    result_size: int | None
    level: str | None
    signed_at: datetime | None
    archived_at: datetime | None
    key: DocumentKey | None = field(repr=False)
    """Of its document; None where the signing was read without its sealed members."""
    personal: Personal = field(repr=False)

    @property
    def reference(self) -> str:
        """What signer and help desk quote."""
        return "-".join(self.id[i : i + 4].upper() for i in (0, 4, 8))

    @property
    def asked(self) -> NamedProfile:
        """The profile."""
        return named(self.profile)

    @property
    def objects(self) -> list[str]:
        """The names of its objects."""
        return [name for name in (self.prepared_object, self.result_object) if name is not None]


async def find(vault: Vault, connection: AsyncConnection, signing_id: str, now: datetime) -> Signing | None:
    """Return a signing; it is gone when the time of its document is over."""
    return await _opened(vault, connection, table.c.id == signing_id, documents.c.expires_at > now)


async def of_client(
    vault: Vault, connection: AsyncConnection, client_id: str, signing_id: str, now: datetime
) -> Signing:
    """Return a client's signing.

    Raises:
        ProblemError: SIGNING_NOT_FOUND.
    """
    signing = await find(vault, connection, signing_id, now)
    if signing is None or signing.client_id != client_id:
        foreign: Literal["foreign_data"] | None = "foreign_data" if signing is not None else None
        raise ProblemError("SIGNING_NOT_FOUND", f"there is no signing {signing_id}", security=foreign)
    return signing


async def by_key(vault: Vault, connection: AsyncConnection, client_id: str, mac: bytes) -> Signing | None:
    """Return the signing that was created with an Idempotency-Key, by the keyed hash of that."""
    return await _opened(vault, connection, table.c.client_id == client_id, table.c.idempotency_mac == mac)


async def of_document(connection: AsyncConnection, client_id: str, document_id: str) -> list[Signing]:
    """Return the signings of a document, without their sealed members."""
    statement = select(table).where(table.c.client_id == client_id, table.c.document_id == document_id)
    return [_signing(row) for row in await connection.execute(statement)]


async def overdue(connection: AsyncConnection, now: datetime, most: int) -> list[Signing]:
    """Return signings whose deadline passed before a signature value came, without their sealed members."""
    statement = (
        select(table)
        .where(table.c.state.in_([state.value for state in BEFORE_THE_VALUE]), table.c.deadline <= now)
        .limit(most)
    )
    return [_signing(row) for row in await connection.execute(statement)]


async def remove(work: Work, client_id: str, document_id: str) -> None:
    """Remove the signings of a document."""
    await work.connection.execute(
        delete(table).where(table.c.client_id == client_id, table.c.document_id == document_id)
    )


async def move(
    work: Work,
    signing: Signing,
    to: State,
    event: str,
    actor: Actor,
    *,
    personal: dict[str, Any] | None = None,
    signer_number: str | None = None,
    data: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Move a signing and write the event: `data` goes into the event, `personal` is sealed, the rest is the row's.

    At an end the client's server is told.

    Raises:
        StaleError: the signing is not as it was read.
        ValueError: no such move exists.
    """
    if to not in MOVES[signing.state]:
        raise ValueError(f"a signing does not go from {signing.state} to {to}")
    after = replace(signing.personal, **(personal or {}))
    if personal:
        if signing.key is None:
            raise ValueError("the signing was read without its sealed members")
        changes["sealed"] = after.sealed(signing.key, signing.id)
    if to.has_ended:
        changes["ended_at"] = work.now
    moved = await work.connection.execute(
        update(table)
        .where(table.c.id == signing.id, table.c.version == signing.version)
        .values(state=to.value, version=signing.version + 1, **changes)
    )
    if moved.rowcount != 1:
        raise StaleError(f"the signing {signing.id} was moved by somebody else")
    await note(work, signing, event, actor, signer_number=signer_number, **(data or {}))
    work.tell("web", signing.id)
    if to.has_ended:
        await _announce(work, signing, to, (personal or {}).get("problem"))


async def note(
    work: Work, signing: Signing, event: str, actor: Actor, *, signer_number: str | None = None, **data: Any
) -> None:
    """Write an event about a signing that moves nothing."""
    await record(
        work,
        event,
        actor,
        client_id=signing.client_id,
        document_id=signing.document_id,
        signing_id=signing.id,
        signer_number=signer_number,
        **data,
    )


async def _announce(work: Work, signing: Signing, state: State, problem: dict[str, Any] | None) -> None:
    client = await clients.find(work.connection, signing.client_id)
    if client is None or client.definition.webhook_url is None:
        return
    message = {
        "type": f"signing.{state}",
        "timestamp": work.now.isoformat().replace("+00:00", "Z"),
        "data": {
            "id": signing.id,
            "document": signing.document_id,
            "state": state.value,
            "code": problem["code"] if problem else None,
        },
    }
    payload = {"client": signing.client_id, "message": message}
    await enqueue(
        work,
        "webhook",
        signing.id,
        payload,
        client_id=signing.client_id,
        queue="outbound",
        key=f"webhook:{signing.id}:{state}",
    )


async def _opened(vault: Vault, connection: AsyncConnection, *conditions: ColumnElement[bool]) -> Signing | None:
    joined = table.join(
        documents, (documents.c.client_id == table.c.client_id) & (documents.c.id == table.c.document_id)
    )
    statement = select(documents.c.key_id, *table.c).select_from(joined).where(*conditions)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    try:
        key = await vault.key(row.client_id, row.key_id)
    except KeyMissingError:
        return None
    return _signing(row, key, Personal.unsealed(key, row.sealed, row.id))


_FIELDS: Final = tuple(f.name for f in fields(Signing) if f.name not in ("key", "personal", "state"))


def _signing(row: Row[Any], key: DocumentKey | None = None, personal: Personal | None = None) -> Signing:
    values = {name: row._mapping[name] for name in _FIELDS}
    return Signing(**values, state=State(row.state), key=key, personal=personal or Personal())
