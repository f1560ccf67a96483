"""`fts register`: the register of processing, to be read and handed over."""
# ruff: noqa: PLC0415

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fts.exits import REFUSED, WRONG_USE, refused_as
from fts.operators import operator

if TYPE_CHECKING:
    from fts.register.model import People, Register


class Format(StrEnum):
    """How it is written."""

    MD = "md"
    PDF = "pdf"


def register_command(
    config: Annotated[Path, typer.Option("--config", help="Configuration file (TOML).")],
    as_: Annotated[Format, typer.Option("--format", help="Markdown or PDF.")] = Format.MD,
    output: Annotated[Path | None, typer.Option(help="Where it goes; Markdown is printed without.")] = None,
    people: Annotated[Path | None, typer.Option(help="File of sub-processors and staff (docs/register.md).")] = None,
    client: Annotated[str | None, typer.Option(help="Only this controller: may be handed to it.")] = None,
) -> None:
    """Write the register of processing activities (GDPR art. 30, FTS-GDPR-4)."""
    from fts.register.model import load_people
    from fts.register.render import markdown, pdf

    if as_ is Format.PDF and output is None:
        raise typer.BadParameter("a PDF needs --output")
    others = refused_as(WRONG_USE, lambda: load_people(people))
    if client is not None:
        others = others.model_copy(update={"staff": ()})
    register = refused_as(REFUSED, lambda: asyncio.run(_built(config, client, others)))
    octets = pdf(register) if as_ is Format.PDF else markdown(register).encode()
    if output is None:
        typer.echo(octets.decode(), nl=False)
    else:
        output.write_bytes(octets)


async def _built(config: Path, client: str | None, others: "People") -> "Register":
    from fts.audit.service import record
    from fts.clients.management import secrets_of
    from fts.clients.service import accounts
    from fts.configuration import load
    from fts.errors import RefusalError
    from fts.register.model import build
    from fts.services import wired

    configuration = refused_as(WRONG_USE, lambda: load(config))
    async with wired(configuration, "operator") as services:
        async with services.database.read() as connection:
            known = await accounts(connection)
        if client is not None:
            if client not in known:
                raise RefusalError("CLIENT_UNKNOWN", f"there is no client {client[:40]!r}", "See fts clients list.")
            known = {client: known[client]}
        counts = {client_id: len(await secrets_of(services, client_id)) for client_id in known}
        async with services.database.write() as work:
            await record(work, "register.read", operator(), client_id=client)
        return build(configuration, known, counts, others, services.clock())
