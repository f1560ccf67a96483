"""The gateway's commands: `fts web`, `worker`, `migrate`, `client`, `trail`, `errors`, `openapi`.

What they need is imported when they run, so that the other commands start fast.
"""
# ruff: noqa: PLC0415

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fts.errors import RefusalError
from fts.exits import REFUSED, WRONG_USE, fail, refused_as

if TYPE_CHECKING:
    from fts.configuration import Configuration

gateway = typer.Typer(help="The gateway.")

Config = Annotated[Path, typer.Option("--config", help="Configuration file (TOML); docs/operation.md has its members.")]


@gateway.command("web")
def web_command(
    config: Config,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8080,
) -> None:
    """Serve the API and the signing page until SIGTERM or SIGINT."""
    from fts.serve import serve_web

    serve_web(_loaded(config), host, port)


@gateway.command("worker")
def worker_command(config: Config) -> None:
    """Do the work that follows from requests, until SIGTERM or SIGINT."""
    from fts.serve import serve_worker

    serve_worker(_loaded(config))


@gateway.command("migrate")
def migrate_command(config: Config) -> None:
    """Bring the database to the newest form; a new master key is made outside PROD where there is none."""
    from fts.db.migrate import migrate
    from fts.keyring import Keyring

    configuration = _loaded(config)
    configuration.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not configuration.master_key.exists():
        if configuration.environment == "PROD":
            refusal = RefusalError("MASTER_KEY_MISSING", "there is no master key", "Make one by the key ceremony.")
            fail(refusal, REFUSED)
        Keyring.create_file(configuration.master_key)
    migrate(configuration.database_url)


@gateway.command("client")
def client_command(
    config: Config,
    client_id: Annotated[str, typer.Argument(metavar="ID", help="2 to 32 characters of a-z, 0-9 and -.")],
    name: Annotated[str, typer.Option(help="As signers read it.")],
    help_address: Annotated[str, typer.Option(help="Where signers ask: mailto:, https:// or a telephone number.")],
    return_url: Annotated[list[str], typer.Option(help="Where signers may be sent back to; repeat it for several.")],
    webhook_url: Annotated[str | None, typer.Option(help="Where messages about ended signings go.")] = None,
    no_repair: Annotated[bool, typer.Option("--no-repair", help="Refuse damaged documents.")] = False,
    retention_hours: Annotated[int, typer.Option(help="How long documents are kept.", min=1, max=120)] = 120,
) -> None:
    """Register a relying party; its secrets are shown once, as JSON."""
    from fts.clients.service import Credentials, Registration, register
    from fts.services import wired

    configuration = _loaded(config)
    registration = Registration(
        client_id, name, help_address, tuple(return_url), webhook_url, not no_repair, retention_hours
    )

    async def work() -> Credentials:
        async with wired(configuration) as services:
            return await register(
                services.database,
                services.keyring,
                registration,
                environment=configuration.environment,
                limits=services.limits,
            )

    made = refused_as(REFUSED, lambda: asyncio.run(work()))
    shown = {"client_id": made.client_id, "secret": made.secret, "webhook_secret": made.webhook_secret}
    typer.echo(json.dumps(shown, indent=2))


@gateway.command("trail")
def trail_command(
    config: Config,
    signing: Annotated[str, typer.Argument(metavar="SIGNING", help="Id of a signing.")],
) -> None:
    """Print everything that happened to a signing and its document, one JSON object a line."""
    from fts.audit.service import Event, trail
    from fts.services import wired

    configuration = _loaded(config)

    async def work() -> list[Event]:
        async with wired(configuration) as services:
            return await trail(services.database, signing_id=signing)

    for event in asyncio.run(work()):
        members = {name: getattr(event, name) for name in Event.__dataclass_fields__}
        members["at"] = event.at.isoformat().replace("+00:00", "Z")
        typer.echo(json.dumps(members, ensure_ascii=False))


@gateway.command("errors")
def errors_command() -> None:
    """Print every error code with its remedy, as Markdown."""
    from fts.problems import catalogue_markdown

    typer.echo(catalogue_markdown(), nl=False)


@gateway.command("openapi")
def openapi_command(config: Config) -> None:
    """Print the description of the API (OpenAPI 3.1)."""
    from fts.web import described

    typer.echo(json.dumps(described(_loaded(config)), indent=2))


def _loaded(path: Path) -> "Configuration":
    from fts.configuration import load

    return refused_as(WRONG_USE, partial(load, path))
