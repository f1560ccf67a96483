"""The gateway's commands: its processes, and what operators do with clients, trail and database.

What they need is imported when they run, so that the other commands start fast.
"""
# ruff: noqa: PLC0415

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fts.audit.archive_commands import audit
from fts.clients.commands import clients
from fts.errors import RefusalError
from fts.exits import REFUSED, WRONG_USE, fail, refused_as
from fts.incidents.commands import incidents
from fts.register.commands import register_command

if TYPE_CHECKING:
    from fts.configuration import Configuration

gateway = typer.Typer(help="The gateway.")
master_key = typer.Typer(help="The master key.", no_args_is_help=True)
gateway.add_typer(master_key, name="master-key")
gateway.add_typer(clients, name="clients")
gateway.add_typer(audit, name="audit")
gateway.add_typer(incidents, name="incidents")
gateway.command("register")(register_command)

Config = Annotated[Path, typer.Option("--config", help="Configuration file (TOML); docs/operation.md has its members.")]


@gateway.command("web")
def web_command(
    config: Config,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8080,
) -> None:
    """Serve the API and the signing page until SIGTERM or SIGINT."""
    from fts.serve import become

    become("web", config, "--host", host, "--port", str(port))


@gateway.command("worker")
def worker_command(config: Config) -> None:
    """Do the work that follows from requests, until SIGTERM or SIGINT."""
    from fts.serve import become

    become("worker", config)


@gateway.command("sequencer")
def sequencer_command(config: Config) -> None:
    """Chain the trail's records and anchor them with timestamps, until SIGTERM or SIGINT."""
    from fts.serve import become

    become("sequencer", config)


@gateway.command("migrate")
def migrate_command(
    config: Config,
    print_grants: Annotated[
        bool, typer.Option("--print-grants", help="Print the roles' rights as SQL, and change nothing.")
    ] = False,
) -> None:
    """Bring the database to the newest form; a new master key is made outside PROD where there is none."""
    from fts.db.migrate import migrate

    configuration = _loaded(config)
    if print_grants:
        from fts.db.roles import statements

        typer.echo("".join(f"{statement};\n" for statement in statements()), nl=False)
        return
    configuration.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not configuration.master_key.exists():
        if configuration.environment == "PROD":
            refusal = RefusalError("MASTER_KEY_MISSING", "there is no master key", "Make one: fts master-key create.")
            fail(refusal, REFUSED)
        _create_master_key(configuration)
    migrate(configuration.database_url())


@master_key.command("create")
def master_key_create_command(config: Config) -> None:
    """Make a new master key, wrapped by the configured token's key, which is made too where there is none."""
    configuration = _loaded(config)
    _create_master_key(configuration)
    typer.echo(f"a new master key is in {configuration.master_key}")


@master_key.command("check")
def master_key_check_command(config: Config) -> None:
    """Read the master key as the processes do, and say whether it can be had."""
    from fts.master_key import keyring_of

    configuration = _loaded(config)
    _with_master_key(lambda: keyring_of(configuration))
    typer.echo("the master key can be had")


@master_key.command("rewrap")
def master_key_rewrap_command(
    config: Config,
    to: Annotated[
        Path, typer.Option("--to", help="The configuration to come: the same, with another [master_key_token].")
    ],
) -> None:
    """Wrap the master key by another key of a token, which is made where there is none; nothing else changes."""
    from fts.key_rotation import rewrap
    from fts.operators import operator

    before, after = _loaded(config), _loaded(to)
    _with_master_key(lambda: asyncio.run(rewrap(before, after, operator())))
    typer.echo("the master key is wrapped anew: restart the processes with the new configuration, then confirm")


@master_key.command("confirm")
def master_key_confirm_command(config: Config) -> None:
    """Remove the form under the wrapping key before; first the processes must run under the new one."""
    from fts.key_rotation import confirm
    from fts.operators import operator

    configuration = _loaded(config)
    _with_master_key(lambda: asyncio.run(confirm(configuration, operator())))
    typer.echo("the form under the key before is removed: delete that key in its token, too")


@gateway.command("trail")
def trail_command(
    config: Config,
    signing: Annotated[str, typer.Argument(metavar="SIGNING", help="Id of a signing.")],
) -> None:
    """Print everything that happened to a signing and its document, one JSON object a line."""
    from fts.audit.service import Event, record, trail
    from fts.operators import operator
    from fts.services import wired

    configuration = _loaded(config)

    async def work() -> list[Event]:
        async with wired(configuration, "operator") as services:
            async with services.database.write() as work:
                await record(work, "trail.read", operator(), signing_id=signing)
            return await trail(services.database, services.keyring, signing_id=signing)

    for event in asyncio.run(work()):
        members = {**event.header(), "at": event.at.isoformat().replace("+00:00", "Z"), "personal": event.personal}
        typer.echo(json.dumps(members))


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
    from fts.profiles.registry import profiles

    refused_as(WRONG_USE, profiles)
    return refused_as(WRONG_USE, partial(load, path))


def _create_master_key(configuration: "Configuration") -> None:
    from fts.master_key import create

    _with_master_key(lambda: create(configuration), "Correct what is named; nothing was written.")


def _with_master_key(work: Callable[[], object], remedy: str = "Correct what is named.") -> None:
    from fts.keyring import KeyringError

    try:
        work()
    except KeyringError as error:
        fail(RefusalError("MASTER_KEY_REFUSED", str(error), remedy), REFUSED)
