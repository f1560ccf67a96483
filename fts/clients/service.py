"""Client accounts: generated secrets, registered return URLs and webhook."""

import base64
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.service import Actor, record
from fts.clients.models import client as table
from fts.db.database import Database, Work
from fts.errors import RefusalError
from fts.keyring import Keyring
from fts.limits import GatewayLimits

_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,31}")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Client:
    """A relying party."""

    id: str
    name: str
    help_address: str
    return_urls: tuple[str, ...]
    webhook_url: str | None
    repair_allowed: bool
    retention_hours: int


@dataclass(frozen=True, slots=True)
class Registration:
    """What an operator registers for a relying party."""

    id: str
    name: str
    help_address: str
    return_urls: tuple[str, ...]
    webhook_url: str | None = None
    repair_allowed: bool = True
    retention_hours: int = 120


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client is told once."""

    client_id: str
    secret: str
    webhook_secret: str


async def register(
    database: Database, keyring: Keyring, registration: Registration, *, environment: str, limits: GatewayLimits
) -> Credentials:
    """Create a client's account.

    Raises:
        RefusalError: CLIENT_INVALID or CLIENT_EXISTS.
    """
    _check(registration, environment, limits)
    secret = secrets.token_urlsafe(32)
    async with database.write() as work:
        if await find(work.connection, registration.id) is not None:
            raise RefusalError("CLIENT_EXISTS", f"there is a client {registration.id} already", "Choose another id.")
        await work.connection.execute(
            insert(table).values(
                id=registration.id,
                name=registration.name,
                help_address=registration.help_address,
                secret_mac=keyring.mac("client-secret", _bound(registration.id, secret)),
                return_urls=list(registration.return_urls),
                webhook_url=registration.webhook_url,
                repair_allowed=registration.repair_allowed,
                retention_hours=registration.retention_hours,
                created_at=work.now,
            )
        )
        await record(work, "client.registered", Actor.operator(), client_id=registration.id)
    return Credentials(registration.id, secret, webhook_secret(keyring, registration.id))


async def find(connection: AsyncConnection, client_id: str) -> Client | None:
    """Return a client that may act, None where there is none."""
    row = await _row(connection, client_id)
    return None if row is None else _client(row)


async def authenticate(connection: AsyncConnection, keyring: Keyring, client_id: str, secret: str) -> Client | None:
    """Return the client whose secret this is, None for any other; it takes the same time for both."""
    row = await _row(connection, client_id)
    mac = None if row is None else row.secret_mac
    if not keyring.matches("client-secret", _bound(client_id, secret), mac) or row is None:
        return None
    return _client(row)


def webhook_secret(keyring: Keyring, client_id: str) -> str:
    """Return the secret that signs a client's messages, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(keyring.mac("webhook", client_id)).decode()


async def registered_webhooks(work: Work) -> set[str]:
    """Return the URLs that messages may go to."""
    rows = await work.connection.execute(select(table.c.webhook_url).where(table.c.webhook_url.is_not(None)))
    return {url for (url,) in rows}


async def _row(connection: AsyncConnection, client_id: str) -> Row[Any] | None:
    statement = select(table).where(table.c.id == client_id, table.c.suspended_at.is_(None))
    return (await connection.execute(statement)).one_or_none()


def _client(row: Row[Any]) -> Client:
    return Client(
        row.id,
        row.name,
        row.help_address,
        tuple(row.return_urls),
        row.webhook_url,
        row.repair_allowed,
        row.retention_hours,
    )


def _bound(client_id: str, secret: str) -> str:
    return f"{client_id}:{secret}"


def _check(registration: Registration, environment: str, limits: GatewayLimits) -> None:
    if not _ID.fullmatch(registration.id):
        raise _invalid("an id has 2 to 32 characters of a-z, 0-9 and -")
    if not 1 <= len(registration.name) <= 200 or not registration.name.isprintable():
        raise _invalid("a name has 1 to 200 printable characters")
    if not 1 <= len(registration.help_address) <= 300 or not registration.help_address.isprintable():
        raise _invalid("a help address has 1 to 300 printable characters")
    if not 1 <= registration.retention_hours <= limits.retention_hours:
        raise _invalid(f"documents are kept 1 to {limits.retention_hours} hours")
    if not registration.return_urls:
        raise _invalid("at least one return URL is needed")
    for url in (*registration.return_urls, *([registration.webhook_url] if registration.webhook_url else [])):
        _check_url(url, environment)


def _check_url(url: str, environment: str) -> None:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > 2000:
        raise _invalid(f"{url!r} is no URL in ASCII without spaces and backslashes")
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK and environment != "PROD"
    if parts.scheme != "https" and not local:
        raise _invalid(f"{url} must begin with https:// (http:// on this machine, outside PROD)")
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise _invalid(f"{url} must name a host and have neither credentials nor a fragment")


def _invalid(message: str) -> RefusalError:
    return RefusalError("CLIENT_INVALID", message, "Correct it and register the client again.")
