"""What operators do with clients (FTS-OPS-6): plan and apply their files, rotate secrets, suspend, offboard."""

import secrets
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import func, insert, select, update

from fts.audit.models import event
from fts.audit.service import Actor, record
from fts.clients.definition import Definition, Scope, invalid
from fts.clients.models import client as table
from fts.clients.models import credential as credentials
from fts.clients.service import Account, accounts, secret_bound, webhook_secret
from fts.custody import probe
from fts.db.database import Work
from fts.destruction import delete_all
from fts.errors import RefusalError
from fts.keyring import Keyring
from fts.services import Services

Action = Literal["create", "change"]

MOST_SECRETS: Final = 2
"""Live credentials of a client: the old and the new one, while it rotates."""
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Change:
    """What applying the files would do to one client."""

    client_id: str
    action: Action
    members: dict[str, tuple[Any, Any]]
    """Member to what it is and what it would be."""
    definition: Definition


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying the files would do."""

    changes: tuple[Change, ...]
    unchanged: tuple[str, ...]
    without_file: tuple[str, ...]
    """Clients whose file is gone: nothing happens to them but by `offboard`."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A secret that is shown once."""

    client_id: str
    credential_id: str
    scopes: tuple[Scope, ...]
    secret: str
    webhook_secret: str


async def plan(services: Services, definitions: list[Definition]) -> Plan:
    """Compare the files with what is in force.

    Raises:
        RefusalError: CLIENT_INVALID, a file asks for what cannot be.
    """
    async with services.database.read() as connection:
        known = await accounts(connection)
    configuration = services.configuration
    changes, unchanged = [], []
    for definition in definitions:
        definition.check_for(configuration.environment, services.limits.retention_hours)
        _check_place(definition, configuration.places)
        account = known.get(definition.id)
        if account is None:
            members = {name: (None, value) for name, value in definition.model_dump(mode="json").items()}
            changes.append(Change(definition.id, "create", members, definition))
            continue
        _check_change(account, definition)
        before, after = (d.model_dump(mode="json") for d in (account.definition, definition))
        members = {name: (before[name], after[name]) for name in after if before[name] != after[name]}
        if members:
            changes.append(Change(definition.id, "change", members, definition))
        else:
            unchanged.append(definition.id)
    _check_buckets(definitions, known)
    files = {definition.id for definition in definitions}
    gone = tuple(name for name, account in known.items() if name not in files and account.offboarded_at is None)
    return Plan(tuple(changes), tuple(unchanged), gone)


async def apply(services: Services, planned: Plan, actor: Actor) -> list[Issued]:
    """Do what was planned, all or nothing; return the secrets of new clients. New buckets are tried first.

    Raises:
        RefusalError: STORE_UNFIT, in PROD; CONFIGURATION_INVALID, there is no credential for a bucket.
        StorageError: the store does not work.
    """
    new = [change.definition.bucket for change in planned.changes if change.action == "create"]
    if new:
        await probe(services.configuration, services.vault, new)
    issued = []
    async with services.database.write() as work:
        for change in planned.changes:
            definition = change.definition.model_dump(mode="json")
            if change.action == "create":
                await work.connection.execute(
                    insert(table).values(
                        id=change.client_id, definition=definition, created_at=work.now, applied_at=work.now
                    )
                )
                await record(work, "client.created", actor, client_id=change.client_id)
                scopes = change.definition.scopes
                issued.append(await _issue(work, services.keyring, change.client_id, scopes, actor))
            else:
                await work.connection.execute(
                    update(table)
                    .where(table.c.id == change.client_id)
                    .values(definition=definition, applied_at=work.now)
                )
                await record(work, "client.changed", actor, client_id=change.client_id, members=sorted(change.members))
    return issued


async def rotate(services: Services, client_id: str, actor: Actor, scopes: tuple[Scope, ...] | None) -> Issued:
    """Make a further secret; the others stay valid until they are withdrawn.

    Raises:
        RefusalError: CLIENT_UNKNOWN, CLIENT_SECRETS.
    """
    async with services.database.write() as work:
        account = await _account(work, client_id)
        live = await _live(work, client_id)
        if len(live) >= MOST_SECRETS:
            message = f"{client_id} has {len(live)} secrets already: {', '.join(live)}"
            raise RefusalError("CLIENT_SECRETS", message, "Withdraw the old one: fts clients withdraw.")
        return await _issue(work, services.keyring, client_id, scopes or account.definition.scopes, actor)


async def withdraw(services: Services, client_id: str, credential_id: str, actor: Actor) -> None:
    """End a secret; from this moment it is refused, and its use is a security event.

    Raises:
        RefusalError: CLIENT_UNKNOWN, CLIENT_SECRETS (there is no such live secret).
    """
    async with services.database.write() as work:
        await _account(work, client_id)
        if credential_id not in await _live(work, client_id):
            message = f"{client_id} has no live secret {credential_id[:32]!r}"
            raise RefusalError("CLIENT_SECRETS", message, "fts clients list shows them.")
        await _end_credentials(work, client_id, credential_id)
        await record(work, "client.secret_withdrawn", actor, client_id=client_id, credential=credential_id)


async def suspend(services: Services, client_id: str, actor: Actor, *, resume: bool = False) -> None:
    """Refuse all requests of a client, or let it act again; its documents stay until their time.

    Raises:
        RefusalError: CLIENT_UNKNOWN.
    """
    async with services.database.write() as work:
        await _account(work, client_id)
        moment = None if resume else work.now
        await work.connection.execute(update(table).where(table.c.id == client_id).values(suspended_at=moment))
        await record(work, "client.resumed" if resume else "client.suspended", actor, client_id=client_id)


async def offboard(services: Services, client_id: str, actor: Actor) -> dict[str, Any]:
    """End a client's account and destroy all of its data (FTS-GDPR-2); return the report. The trail stays.

    Of its contact persons the addresses for security events stay: what is found later must reach somebody (FTS-GDPR-6).

    It may be repeated: what an interruption left is destroyed then.

    Raises:
        RefusalError: CLIENT_UNKNOWN.
        StorageError: some could not be destroyed now.
    """
    async with services.database.write() as work:
        account = await _account(work, client_id, offboarded=True)
        ended = await _end_credentials(work, client_id)
        if account.offboarded_at is None:
            kept = account.definition.without_persons().model_dump(mode="json")
            ending = update(table).where(table.c.id == client_id).values(offboarded_at=work.now, definition=kept)
            await work.connection.execute(ending)
            await record(work, "client.offboarding_begun", actor, client_id=client_id, credentials=ended)
        begun = await work.connection.scalar(select(func.max(event.c.id)).where(event.c.client_id == client_id))
    left = await delete_all(services, client_id, actor, even_in_use=True)
    await services.vault.keys.delete_owner(client_id)
    await services.vault.objects.remove_bucket(account.definition.bucket)
    async with services.database.write() as work:
        # a worker's sweep destroys what is left of an ended account, too: the trail has what both did
        done = select(event.c.data).where(
            event.c.client_id == client_id, event.c.kind == "document.deletion_ordered", event.c.id > (begun or 0)
        )
        orders = (await work.connection.execute(done)).scalars().all()
        report = {
            "documents": len(orders),
            "objects": sum(order["objects"] for order in orders),
            "in_use": left["in_use"],
            "credentials": ended,
            "bucket": account.definition.bucket,
        }
        await record(work, "client.offboarded", actor, client_id=client_id, **report)
        return {"client": client_id, "at": work.now.isoformat().replace("+00:00", "Z"), **report}


async def secrets_of(services: Services, client_id: str) -> list[str]:
    """Return the ids of a client's live secrets, oldest first."""
    async with services.database.write() as work:
        return await _live(work, client_id)


async def _issue(work: Work, keyring: Keyring, client_id: str, scopes: tuple[Scope, ...], actor: Actor) -> Issued:
    secret, credential_id = secrets.token_urlsafe(_SECRET_BYTES), secrets.token_hex(6)
    await work.connection.execute(
        insert(credentials).values(
            id=credential_id,
            client_id=client_id,
            mac=keyring.mac("client-secret", secret_bound(client_id, secret)),
            scopes=list(scopes),
            created_at=work.now,
        )
    )
    await record(
        work, "client.secret_issued", actor, client_id=client_id, credential=credential_id, scopes=list(scopes)
    )
    return Issued(client_id, credential_id, scopes, secret, webhook_secret(keyring, client_id))


async def _live(work: Work, client_id: str) -> list[str]:
    statement = select(credentials.c.id).where(credentials.c.client_id == client_id, credentials.c.ended_at.is_(None))
    return list((await work.connection.execute(statement.order_by(credentials.c.created_at))).scalars())


async def _end_credentials(work: Work, client_id: str, credential_id: str | None = None) -> int:
    statement = update(credentials).where(credentials.c.client_id == client_id, credentials.c.ended_at.is_(None))
    if credential_id is not None:
        statement = statement.where(credentials.c.id == credential_id)
    return (await work.connection.execute(statement.values(ended_at=work.now))).rowcount


async def _account(work: Work, client_id: str, *, offboarded: bool = False) -> Account:
    account = (await accounts(work.connection)).get(client_id)
    if account is None or (account.offboarded_at is not None and not offboarded):
        raise RefusalError("CLIENT_UNKNOWN", f"there is no client {client_id[:40]!r}", "fts clients list shows them.")
    return account


def _check_change(account: Account, definition: Definition) -> None:
    if account.offboarded_at is not None:
        raise invalid(definition.id, "this client was offboarded: its id is not used again")
    if account.definition.bucket != definition.bucket:
        raise invalid(definition.id, f"bucket: stays {account.definition.bucket}; offboard the client to change it")


def _check_place(definition: Definition, places: set[str]) -> None:
    if places != {definition.place}:
        kept = ", ".join(sorted(places))
        raise invalid(definition.id, f"place: {definition.place} was agreed, but data is kept in {kept} (FTS-GDPR-7)")


def _check_buckets(definitions: list[Definition], known: dict[str, Account]) -> None:
    owners = {account.definition.bucket: client_id for client_id, account in known.items()}
    for definition in definitions:
        if owners.get(definition.bucket, definition.id) != definition.id:
            raise invalid(definition.id, f"bucket: {definition.bucket} is, or was, another client's")
