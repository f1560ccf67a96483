"""Client accounts as the requests see them: who a secret belongs to, and what is agreed with its owner."""

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.clients.definition import Definition, Scope
from fts.clients.models import client as table
from fts.clients.models import credential as credentials
from fts.keyring import Keyring

_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,31}")


@dataclass(frozen=True, slots=True)
class Client:
    """A relying party that may act."""

    id: str
    definition: Definition


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whose credential came with a request, and what it may be used for."""

    client: Client
    credential_id: str
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no credential was accepted, for the record; the caller is not told."""

    reason: str
    client_id: str | None = None
    """Where there is such a client."""
    withdrawn: bool = False
    """Whether it was a secret that was valid once."""


async def find(connection: AsyncConnection, client_id: str) -> Client | None:
    """Return a client that may act, None where there is none."""
    statement = select(table).where(
        table.c.id == client_id, table.c.suspended_at.is_(None), table.c.offboarded_at.is_(None)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else client_of(row)


async def authenticate(
    connection: AsyncConnection, keyring: Keyring, client_id: str, secret: str
) -> Authenticated | Refused:
    """Return whose secret this is; the time that it takes does not tell why it is refused."""
    if not _ID.fullmatch(client_id):
        return Refused("malformed client id")
    joined = table.outerjoin(credentials, credentials.c.client_id == table.c.id)
    columns = (
        table.c.definition,
        table.c.suspended_at,
        table.c.offboarded_at,
        credentials.c.id,
        credentials.c.mac,
        credentials.c.scopes,
        credentials.c.ended_at,
    )
    rows = (await connection.execute(select(*columns).select_from(joined).where(table.c.id == client_id))).all()
    mac = keyring.mac("client-secret", secret_bound(client_id, secret))
    fitting = [row for row in rows if row.mac is not None and keyring.same(mac, row.mac)]
    if not rows:
        return Refused("unknown client")
    if not fitting:
        return Refused("wrong secret", client_id)
    row = fitting[0]
    if row.ended_at is not None:
        return Refused("secret that was withdrawn", client_id, withdrawn=True)
    if row.offboarded_at is not None or row.suspended_at is not None:
        return Refused("client that may not act", client_id)
    client = Client(client_id, Definition.model_validate(row.definition))
    return Authenticated(client, row.id, tuple(row.scopes))


def client_of(row: Row[Any]) -> Client:
    """Return the client of a row."""
    return Client(row.id, Definition.model_validate(row.definition))


def secret_bound(client_id: str, secret: str) -> str:
    """Return what a secret's keyed hash is made over."""
    return f"{client_id}:{secret}"


def webhook_secret(keyring: Keyring, client_id: str) -> str:
    """Return the secret that signs a client's messages, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(keyring.mac("webhook", client_id)).decode()


async def security_mails(connection: AsyncConnection, client_id: str) -> list[str]:
    """Return where a client is told of security events, offboarded or not."""
    statement = select(table).where(table.c.id == client_id)
    row = (await connection.execute(statement)).one_or_none()
    return [] if row is None else client_of(row).definition.security_mails


@dataclass(frozen=True, slots=True)
class Account:
    """A client as operators see it."""

    definition: Definition
    created_at: datetime
    applied_at: datetime
    suspended_at: datetime | None
    offboarded_at: datetime | None


async def accounts(connection: AsyncConnection) -> dict[str, Account]:
    """Return all clients that ever were."""
    rows = await connection.execute(select(table).order_by(table.c.id))
    return {
        row.id: Account(
            Definition.model_validate(row.definition),
            row.created_at,
            row.applied_at,
            row.suspended_at,
            row.offboarded_at,
        )
        for row in rows
    }
