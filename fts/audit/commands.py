"""`fts audit`: verify, search, export and renew the trail, and remove personal parts whose time is over."""
# ruff: noqa: PLC0415

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fts.exits import REFUSED, WRONG_USE, refused_as
from fts.operators import operator
from fts.terminal import printable

if TYPE_CHECKING:
    from cryptography import x509

    from fts.audit.walk import Verdict
    from fts.services import Services

T = TypeVar("T")

audit = typer.Typer(help="The audit trail (FTS-AUD-1, FTS-AUD-2).", no_args_is_help=True)

Config = Annotated[Path, typer.Option("--config", help="Configuration file (TOML).")]
Trust = Annotated[
    list[Path] | None,
    typer.Option("--trust", help="Further roots of timestamping authorities, PEM; repeat it for several files."),
]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, UTC.")]


@audit.command("verify")
def verify_command(
    config: Config,
    trust: Trust = None,
    kept: Annotated[
        Path | None, typer.Option("--checkpoint", help="A checkpoint that was kept elsewhere (fts audit checkpoint).")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(help="An archive (fts audit archive): verified first; the trail must go on from it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Walk the whole trail and name the first bad record; exit status 1 where there is one."""
    verdict = run_as_operator(config, lambda services: _verified(services, trust, kept, archive))
    if as_json:
        typer.echo(json.dumps(_verdict_json(verdict)))
    else:
        until = f"{verdict.anchored_until:%Y-%m-%d %H:%M:%S} UTC" if verdict.anchored_until else "not yet"
        typer.echo(
            f"{verdict.events} events in the chain, {verdict.waiting} waiting; {verdict.checkpoints} checkpoints, "
            f"timestamped until {until}; {verdict.removed_personal_parts} personal parts were removed."
        )
        bad = verdict.first_bad
        typer.echo("OK" if bad is None else f"BAD: {bad.what} (link {bad.seq}, event {bad.event_id})")
    if not verdict.ok:
        raise typer.Exit(REFUSED)


@audit.command("checkpoint")
def checkpoint_command(config: Config) -> None:
    """Print the newest checkpoint as JSON: to be kept elsewhere, where nobody of the gateway can change it."""

    async def work(services: "Services") -> dict[str, Any] | None:
        from fts.audit.checkpoints import newest

        async with services.database.read() as connection:
            found = await newest(connection)
        return None if found is None else found.to_json()

    typer.echo(json.dumps(run_as_operator(config, work)))


@audit.command("search")
def search_command(
    config: Config,
    client: Annotated[str | None, typer.Option(help="Id of a client.")] = None,
    document: Annotated[str | None, typer.Option(help="Id of a document.")] = None,
    signing: Annotated[str | None, typer.Option(help="Id of a signing.")] = None,
    signer: Annotated[str | None, typer.Option(help="Identification number of a signer.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of event, as signing.completed.")] = None,
    since: Day = None,
    until: Day = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="Most events.")] = 1000,
) -> None:
    """Print the events that fit, one JSON object a line."""

    async def work(services: "Services") -> list[dict[str, Any]]:
        from fts.audit.search import Query, search

        query = Query(client, document, signing, signer, kind, _utc(since), _utc(until), most)
        found = await search(services.database, services.keyring, query, operator())
        return [
            {**event.header(), "at": event.at.isoformat().replace("+00:00", "Z"), "personal": event.personal}
            for event in found
        ]

    for line in run_as_operator(config, work):
        typer.echo(json.dumps(line))


@audit.command("export")
def export_command(
    config: Config,
    to: Annotated[Path, typer.Option(help="Folder that is made for the bundle.")],
    signing: Annotated[str | None, typer.Option(help="Id of a signing.")] = None,
    client: Annotated[str | None, typer.Option(help="Id of a client, with --document.")] = None,
    document: Annotated[str | None, typer.Option(help="Id of a document, with --client.")] = None,
    archive: Annotated[Path | None, typer.Option(help="An archive that is read in place of the database.")] = None,
    trust: Trust = None,
) -> None:
    """Write a bundle that verifies with its own script and openssl, without the gateway."""
    if (signing is None) == (client is None or document is None):
        raise typer.BadParameter("give --signing, or --client with --document")

    async def work(services: "Services") -> int:
        from fts.audit.archive_export import bundle_from_archive
        from fts.audit.export import bundle

        roots = roots_of(services, trust)
        wanted = {"signing_id": signing} if signing else {"client_id": client, "document_id": document}
        if archive is not None:
            database, keyring = services.database, services.keyring
            return await bundle_from_archive(database, keyring, roots, operator(), to, archive, **wanted)
        return await bundle(services.database, services.keyring, roots, operator(), to, **wanted)

    typer.echo(
        f"{run_as_operator(config, work)} events; verify with: python3 {printable(str(to / 'verify_bundle.py'))}"
    )


@audit.command("erase")
def erase_command(
    config: Config,
    before: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Personal parts before this day, UTC.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove the personal parts of old events; the chain stays verifiable."""
    if not yes:
        typer.confirm(f"Remove all personal parts before {before:%Y-%m-%d}?", abort=True, err=True)

    async def work(services: "Services") -> int:
        from fts.audit.search import erase

        return await erase(services.database, before.replace(tzinfo=UTC), reason, operator())

    typer.echo(f"{run_as_operator(config, work)} personal parts were removed.")


@audit.command("renew")
def renew_command(
    config: Config,
    older_than_days: Annotated[int, typer.Option(min=0, help="Checkpoints whose newest timestamp is older.")] = 365,
    algorithm: Annotated[str, typer.Option(help="sha256, sha384 or sha512.")] = "sha512",
) -> None:
    """Timestamp old checkpoints anew, before a key or an algorithm of theirs grows weak."""

    async def work(services: "Services") -> int:
        from fts.audit.checkpoints import renew
        from fts.trail_process import authority

        async with authority(services.configuration) as timestamp:
            before = services.clock() - timedelta(days=older_than_days)
            return await renew(services.database, timestamp, algorithm, before)

    typer.echo(f"{run_as_operator(config, work)} checkpoints were timestamped anew.")


async def _verified(
    services: "Services", trust: list[Path] | None, kept: Path | None, archive: Path | None
) -> "Verdict":
    from sqlalchemy import select

    from fts.audit.archive_walk import joined
    from fts.audit.checkpoints import Checkpoint
    from fts.audit.models import event
    from fts.audit.service import record
    from fts.audit.walk import verify
    from fts.errors import RefusalError
    from fts.incidents.service import Finding, note

    point = None
    if kept is not None:
        try:
            point = Checkpoint.from_json(json.loads(await asyncio.to_thread(kept.read_text, encoding="utf-8")))
        except (OSError, ValueError) as error:
            message = f"{kept.name} is no checkpoint: {error}"
            raise RefusalError("CHECKPOINT_INVALID", message, "fts audit checkpoint prints one.") from error
    roots = roots_of(services, trust)
    reached = None if archive is None else await asyncio.to_thread(joined, archive, roots)
    verdict = await verify(services.database, services.keyring, roots, services.clock(), point, reached)
    async with services.database.write() as work:
        await record(work, "trail.verified", operator(), events=verdict.events, ok=verdict.ok)
        if verdict.first_bad is not None:
            bad = verdict.first_bad
            what = f"link {bad.seq}, event {bad.event_id}"
            whose = await work.connection.scalar(select(event.c.client_id).where(event.c.id == bad.event_id))
            await note(work, Finding("trail_tampered", whose, operator(), what))
    return verdict


def roots_of(services: "Services", trust: list[Path] | None) -> "list[x509.Certificate]":
    from fts.trust_files import load_trust_files

    return [*services.configuration.engine_settings().anchors, *load_trust_files(trust or [])]


def _verdict_json(verdict: "Verdict") -> dict[str, Any]:
    bad = verdict.first_bad
    return {
        "ok": verdict.ok,
        "events": verdict.events,
        "waiting": verdict.waiting,
        "checkpoints": verdict.checkpoints,
        "anchored_until": verdict.anchored_until and verdict.anchored_until.isoformat().replace("+00:00", "Z"),
        "removed_personal_parts": verdict.removed_personal_parts,
        "first_bad": bad and {"what": bad.what, "link": bad.seq, "event": bad.event_id, "checkpoint": bad.checkpoint},
    }


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)


def run_as_operator(config: Path, work: "Callable[[Services], Awaitable[T]]") -> T:
    from fts.configuration import load
    from fts.services import wired

    configuration = refused_as(WRONG_USE, lambda: load(config))

    async def run() -> T:
        async with wired(configuration, "operator") as services:
            return await work(services)

    return refused_as(REFUSED, lambda: asyncio.run(run()))
