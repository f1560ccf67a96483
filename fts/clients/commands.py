"""`fts clients`: the accounts of relying parties, from reviewed files."""
# ruff: noqa: PLC0415

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fts.exits import REFUSED, WRONG_USE, refused_as
from fts.operators import operator

if TYPE_CHECKING:
    from fts.clients.management import Issued, Plan
    from fts.services import Services

T = TypeVar("T")

clients = typer.Typer(help="Clients: relying parties, from reviewed files.", no_args_is_help=True)

Config = Annotated[Path, typer.Option("--config", help="Configuration file (TOML).")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with one file ID.toml for each client.")]
ClientId = Annotated[str, typer.Argument(metavar="ID", help="Id of a client.")]


@clients.command("plan")
def plan_command(config: Config, folder: Folder) -> None:
    """Show what applying the files would change; nothing is changed."""
    _print_plan(_run(config, lambda services: _planned(services, folder)))


@clients.command("apply")
def apply_command(
    config: Config,
    folder: Folder,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show what the files change, ask, and do it; secrets of new clients are shown once, one JSON object a line."""
    from fts.clients.management import apply

    planned = _run(config, lambda services: _planned(services, folder))
    _print_plan(planned)
    if not planned.changes:
        return
    if not yes:
        typer.confirm("Apply this?", abort=True, err=True)
    for issued in _run(config, lambda services: apply(services, planned, operator())):
        _print_issued(issued)


@clients.command("rotate")
def rotate_command(
    config: Config,
    client_id: ClientId,
    scope: Annotated[list[str] | None, typer.Option(help="What it may be used for; repeat it for several.")] = None,
) -> None:
    """Make a further secret and show it once; the old one stays valid until it is withdrawn."""
    from fts.clients.definition import SCOPES
    from fts.clients.management import rotate

    scopes = tuple(name for name in SCOPES if name in scope) if scope else None
    if scope and (scopes is None or len(scopes) != len(set(scope))):
        raise typer.BadParameter(f"scopes are {', '.join(SCOPES)}")
    _print_issued(_run(config, lambda services: rotate(services, client_id, operator(), scopes)))


@clients.command("withdraw")
def withdraw_command(
    config: Config,
    client_id: ClientId,
    credential: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="Id of the secret, as list shows it.")],
) -> None:
    """End a secret at once."""
    from fts.clients.management import withdraw

    _run(config, lambda services: withdraw(services, client_id, credential, operator()))


@clients.command("suspend")
def suspend_command(
    config: Config,
    client_id: ClientId,
    resume: Annotated[bool, typer.Option("--resume", help="Let it act again.")] = False,
) -> None:
    """Refuse all requests of a client; its documents stay until their time."""
    from fts.clients.management import suspend

    _run(config, lambda services: suspend(services, client_id, operator(), resume=resume))


@clients.command("offboard")
def offboard_command(
    config: Config,
    client_id: ClientId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End a client's account and destroy all of its data, beyond recovery; the report is JSON. The trail stays."""
    from fts.clients.management import offboard

    if not yes:
        typer.confirm(f"Destroy all data of {client_id}? This cannot be undone.", abort=True, err=True)
    typer.echo(json.dumps(_run(config, lambda services: offboard(services, client_id, operator())), indent=2))


@clients.command("list")
def list_command(config: Config) -> None:
    """Print all clients that ever were, one JSON object a line."""
    for line in _run(config, _listed):
        typer.echo(json.dumps(line, ensure_ascii=False))


async def _listed(services: "Services") -> list[dict[str, Any]]:
    from fts.clients.management import secrets_of
    from fts.clients.service import accounts

    async with services.database.read() as connection:
        known = await accounts(connection)
    lines = []
    for client_id, account in known.items():
        times = {
            name: None if moment is None else moment.isoformat().replace("+00:00", "Z")
            for name, moment in (
                ("created_at", account.created_at),
                ("applied_at", account.applied_at),
                ("suspended_at", account.suspended_at),
                ("offboarded_at", account.offboarded_at),
            )
        }
        name = account.definition.name
        lines.append({"id": client_id, "name": name, "secrets": await secrets_of(services, client_id), **times})
    return lines


async def _planned(services: "Services", folder: Path) -> "Plan":
    from fts.clients.definition import load_folder
    from fts.clients.management import plan

    return await plan(services, load_folder(folder))


def _run(config: Path, work: "Callable[[Services], Awaitable[T]]") -> T:
    from fts.configuration import load
    from fts.services import wired

    configuration = refused_as(WRONG_USE, lambda: load(config))

    async def run() -> T:
        async with wired(configuration, "operator") as services:
            return await work(services)

    return refused_as(REFUSED, lambda: asyncio.run(run()))


def _print_plan(planned: "Plan") -> None:
    for change in planned.changes:
        typer.echo(f"{'+' if change.action == 'create' else '~'} {change.client_id}", err=True)
        for member, (before, after) in change.members.items():
            shown = _short(after) if change.action == "create" else f"{_short(before)} -> {_short(after)}"
            typer.echo(f"    {member}: {shown}", err=True)
    for client_id in planned.without_file:
        typer.echo(f"! {client_id}: its file is gone; nothing happens to it (fts clients offboard)", err=True)
    typer.echo(f"{len(planned.changes)} to do, {len(planned.unchanged)} as they are.", err=True)


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _print_issued(issued: "Issued") -> None:
    shown = {
        "client_id": issued.client_id,
        "credential": issued.credential_id,
        "scopes": list(issued.scopes),
        "secret": issued.secret,
        "webhook_secret": issued.webhook_secret,
    }
    typer.echo(json.dumps(shown))
