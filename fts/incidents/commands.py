"""`fts incidents`: security events, to be read and handed over."""
# ruff: noqa: PLC0415

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fts.exits import REFUSED, WRONG_USE, refused_as
from fts.operators import operator
from fts.terminal import printable

if TYPE_CHECKING:
    from fts.incidents.service import Incident

incidents = typer.Typer(help="Security events (FTS-GDPR-6).", no_args_is_help=True)


@incidents.command("report")
def report_command(
    config: Annotated[Path, typer.Option("--config", help="Configuration file (TOML).")],
    since: Annotated[
        datetime | None, typer.Option(help="Only what happened since then, UTC.", formats=["%Y-%m-%d"])
    ] = None,
    client: Annotated[str | None, typer.Option(help="Only what is about this client: may be handed to it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Print incidents with nature, times, data concerned, measures, end and structural measures."""
    from fts.incidents.mail import members

    found = refused_as(REFUSED, lambda: asyncio.run(_found(config, since, client)))
    for incident in found:
        facts = members(incident)
        if as_json:
            typer.echo(json.dumps({"kind": incident.kind, **facts}, ensure_ascii=False))
        else:
            typer.echo("\n".join(f"{name + ':':22} {printable(value)}" for name, value in facts.items()) + "\n")
    if not as_json:
        typer.echo(f"{len(found)} incidents.")


async def _found(config: Path, since: datetime | None, client: str | None) -> "list[Incident]":
    from datetime import UTC

    from sqlalchemy import select

    from fts.audit.service import record
    from fts.configuration import load
    from fts.incidents.models import incident as table
    from fts.incidents.service import incident_of
    from fts.services import wired

    configuration = refused_as(WRONG_USE, lambda: load(config))
    statement = select(table).order_by(table.c.first_at)
    if since is not None:
        statement = statement.where(table.c.last_at >= since.replace(tzinfo=UTC))
    if client is not None:
        statement = statement.where(table.c.client_id == client)
    async with wired(configuration, "operator") as services:
        async with services.database.write() as work:
            await record(work, "incidents.read", operator(), client_id=client)
        async with services.database.read() as connection:
            return [incident_of(row, services.keyring) for row in await connection.execute(statement)]
