"""Recording events and reading them (FTS-AUD-1).

An event is a header and, where persons are concerned, a personal part: the address, the signer's identification number.
The header holds SHA-256 over salt and personal part, so that the personal part can be removed while the trail stays
verifiable; it is kept encrypted under the audit-custody key.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, and_, insert, or_, select

from fts.audit.models import event
from fts.audit.models import personal as personal_table
from fts.db.database import Database, Work
from fts.db.inserting import insert_pair
from fts.keyring import Keyring

_SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, from where, under which reference."""

    role: Literal["client", "signer", "operator", "system"]
    address: str | None = None
    """IP address."""
    reference: str | None = None
    """Of the request; the same that the answer carried."""
    name: str | None = None
    """Of the credential (`client`) or the account of the operating system (`operator`)."""

    @classmethod
    def system(cls) -> "Actor":
        """Return the gateway itself."""
        return cls("system")


async def record(
    work: Work,
    kind: str,
    actor: Actor,
    *,
    client_id: str | None = None,
    document_id: str | None = None,
    signing_id: str | None = None,
    signer_number: str | None = None,
    **data: Any,
) -> None:
    """Write an event in the transaction of what it records; where it cannot be written, nothing happens.

    `data` stays ten years in the clear: identifiers, digests, codes, counts and times, never what a person wrote.

    Raises:
        ValueError: something is no text that can be hashed (a lone surrogate).
    """
    canonical([kind, actor.reference, client_id, document_id, signing_id, data])
    about = {"address": actor.address, "name": actor.name, "signer": signer_number}
    persons = {name: value for name, value in about.items() if value is not None}
    packed = secrets.token_bytes(_SALT_BYTES) + canonical(persons) if persons else None
    digest = None if packed is None else hashlib.sha256(packed).digest()
    header = {
        "at": work.now,
        "kind": kind,
        "actor": actor.role,
        "reference": actor.reference,
        "client_id": client_id,
        "document_id": document_id,
        "signing_id": signing_id,
        "data": data,
        "personal_sha256": digest,
    }
    if packed is None or digest is None:
        await work.connection.execute(insert(event).inline(), header)
    else:
        closed = {
            "sealed": work.keyring.seal("audit-custody", packed, digest.hex()),
            "signer_mac": None if signer_number is None else work.keyring.mac("signer", signer_number),
        }
        await insert_pair(work, event, header, personal_table, "event_id", closed)
    work.tell("sequencer")


def canonical(value: Any) -> bytes:
    """Return JSON in the one form that is hashed: sorted members, no spaces, UTF-8 (RFC 8785 for our values)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Event:
    """One record."""

    id: int
    at: datetime
    kind: str
    actor: str
    reference: str | None
    client_id: str | None
    document_id: str | None
    signing_id: str | None
    data: dict[str, Any]
    personal_sha256: bytes | None
    personal: dict[str, str] | None
    """`address`, `name`, `signer`; None where there is none, or where it was removed."""
    salt: bytes | None

    def header(self) -> dict[str, Any]:
        """Return what the chain is made over."""
        return {
            "id": self.id,
            "at": int(self.at.timestamp()) * 1_000_000 + self.at.microsecond,
            "kind": self.kind,
            "actor": self.actor,
            "reference": self.reference,
            "client": self.client_id,
            "document": self.document_id,
            "signing": self.signing_id,
            "data": self.data,
            "personal_sha256": None if self.personal_sha256 is None else self.personal_sha256.hex(),
        }


COLUMNS: Final = (*event.c, personal_table.c.sealed)
"""What `event_of` needs of a row, selected from `JOINED`."""
JOINED: Final = event.outerjoin(personal_table, personal_table.c.event_id == event.c.id)


def event_of(row: Row[Any] | tuple[Any, ...], keyring: Keyring | None) -> Event:
    """Return the event of a row; without keys its personal part stays closed.

    Raises:
        KeyringError: the personal part does not open.
    """
    values: list[Any]
    *values, sealed = row
    header: dict[str, Any] = dict(zip(event.c.keys(), values, strict=True))
    personal: dict[str, str] | None = None
    salt: bytes | None = None
    digest: bytes | None = header["personal_sha256"]
    if sealed is not None and keyring is not None and digest is not None:
        packed = keyring.unseal("audit-custody", sealed, digest.hex())
        salt, personal = packed[:_SALT_BYTES], json.loads(packed[_SALT_BYTES:])
    return Event(**header, personal=personal, salt=salt)


async def trail(
    database: Database,
    keyring: Keyring,
    *,
    signing_id: str | None = None,
    client_id: str | None = None,
    document_id: str | None = None,
) -> list[Event]:
    """Return the events of a signing and its document, or of a client's document, in their order."""
    async with database.read() as connection:
        if signing_id is not None:
            owner = select(event.c.client_id, event.c.document_id).where(event.c.signing_id == signing_id).limit(1)
            found = (await connection.execute(owner)).one_or_none()
            if found is None:
                return []
            about_document = and_(
                event.c.client_id == found.client_id,
                event.c.document_id == found.document_id,
                event.c.signing_id.is_(None),
            )
            condition = or_(event.c.signing_id == signing_id, about_document)
        else:
            condition = and_(event.c.client_id == client_id, event.c.document_id == document_id)
        rows = await connection.execute(select(*COLUMNS).select_from(JOINED).where(condition).order_by(event.c.id))
        return [event_of(row, keyring) for row in rows]
