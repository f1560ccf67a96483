"""`fts audit archive` and `fts audit verify-archive`: the trail in files that last longer than the database."""
# ruff: noqa: PLC0415

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fts.audit.commands import Config, Trust, audit, roots_of, run_as_operator
from fts.exits import REFUSED, WRONG_USE, fail, refused_as
from fts.operators import operator
from fts.terminal import printable

if TYPE_CHECKING:
    from fts.audit.archive import Outcome
    from fts.audit.archive_reading import Archived
    from fts.audit.archive_walk import ArchiveVerdict
    from fts.services import Services

__all__ = ["audit"]


@audit.command("archive")
def archive_command(
    config: Config,
    to: Annotated[Path, typer.Option(help="Folder of the archive; made where there is none, continued where it is.")],
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day that is left out, UTC.")
    ] = None,
    year: Annotated[int | None, typer.Option(min=1970, max=9998, help="The last year, in place of --until.")] = None,
    trust: Trust = None,
) -> None:
    """Write the days that the archive does not have yet, a file each; what is not sound or not timestamped ends it."""
    if (until is None) == (year is None):
        raise typer.BadParameter("give --until or --year")
    limit = date(year + 1, 1, 1) if year is not None else until.date() if until is not None else date.min
    outcome = run_as_operator(config, lambda services: _archived(services, trust, limit, to))
    if outcome.last is None:
        typer.echo("Nothing is there to be archived.")
        return
    typer.echo(
        f"{outcome.written} files were written; the archive goes to {outcome.last.day.isoformat()}, "
        f"link {outcome.last.reached.seq}. SHA-512 of its last file: {outcome.last.sha512.hex()}"
    )


@audit.command("verify-archive")
def verify_archive_command(
    directory: Annotated[Path, typer.Argument(help="Folder of the archive.")],
    trust: Trust = None,
    after: Annotated[
        str | None, typer.Option(metavar="SHA512", help="Of the file before the first one here, where it is elsewhere.")
    ] = None,
    last: Annotated[
        str | None, typer.Option(metavar="SHA512", help="Of its last file, as `fts audit archive` printed it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify an archive without the database and name the first bad record; exit status 1 where there is one.

    Without --trust the roots in the archive are taken: compare their prints with what the authorities publish.
    """
    verdict = refused_as(
        WRONG_USE, lambda: verified(directory, trust, after=_hash(after), last=_hash(last), quiet=as_json)
    )
    if as_json:
        typer.echo(json.dumps({**_verdict_json(verdict), "roots_of_the_archive": not trust}))
    else:
        typer.echo(
            f"{verdict.files} files, {verdict.first_day} to {verdict.last_day}; {verdict.links} events in the chain; "
            f"{verdict.checkpoints} checkpoints, timestamped until {verdict.anchored_until}; of "
            f"{verdict.removed_personal_files} days the personal parts were removed."
        )
        if verdict.covered_day is not None:
            typer.echo(f"Up to {verdict.covered_day} the files are timestamped anew at {verdict.covered_at}.")
        if verdict.last_sha512 is not None:
            typer.echo(f"SHA-512 of the last file: {verdict.last_sha512.hex()}")
        bad = verdict.first_bad
        typer.echo(
            "OK"
            if bad is None
            else f"BAD: {printable(bad.file)}: {printable(bad.what)} "
            f"(line {bad.line}, link {bad.seq}, checkpoint {bad.checkpoint})"
        )
    if not verdict.ok:
        raise typer.Exit(REFUSED)


def verified(
    directory: Path, trust: list[Path] | None, *, after: bytes | None = None, last: bytes | None = None, quiet: bool
) -> "ArchiveVerdict":
    """Walk an archive with the roots of files, or with those that lie in it.

    Raises:
        RefusalError: TRUST_FILE, ARCHIVE_FILE.
    """
    from cryptography.hazmat.primitives import hashes

    from fts.audit.archive_reading import ROOTS
    from fts.audit.archive_walk import walk_archive
    from fts.errors import file_refusal
    from fts.trust_files import load_trust_files
    from signing.trust.path import TrustAnchors

    roots = load_trust_files(trust or [directory / ROOTS])
    if not quiet and not trust:
        for root in roots:
            name, digest = root.subject.rfc4514_string(), root.fingerprint(hashes.SHA256()).hex()
            typer.echo(f"root: {printable(name)}, SHA-256 {digest}", err=True)
    try:
        return walk_archive(directory, TrustAnchors(roots), after=after, last=last, told=None if quiet else _tell)
    except OSError as error:
        raise file_refusal("ARCHIVE_FILE", error, directory.name) from error


async def _archived(services: "Services", trust: list[Path] | None, until: date, to: Path) -> "Outcome":
    from fts.audit.archive import archive
    from fts.audit.archive_walk import UnsoundError
    from fts.audit.service import record
    from fts.incidents.service import Finding, note

    roots = roots_of(services, trust)
    try:
        return await archive(services.database, services.keyring, roots, until, to, services.clock(), operator(), _tell)
    except UnsoundError as error:
        async with services.database.write() as work:
            await record(work, "trail.archive_refused", operator(), link=error.bad.seq, file=error.bad.file)
            await note(work, Finding("trail_tampered", None, operator(), f"archive, link {error.bad.seq}"))
        raise


def _tell(file: "Archived") -> None:
    typer.echo(f"{file.day.isoformat()}: {file.links} events, {file.checkpoints} checkpoints", err=True)


def _hash(said: str | None) -> bytes | None:
    from fts.errors import RefusalError

    if said is None:
        return None
    try:
        octets = bytes.fromhex(said)
    except ValueError:
        octets = b""
    if len(octets) != 64:
        fail(RefusalError("HASH_INVALID", "it is no SHA-512", "Give 128 hexadecimal digits."), WRONG_USE)
    return octets


def _verdict_json(verdict: "ArchiveVerdict") -> dict[str, Any]:
    bad = verdict.first_bad
    return {
        "ok": verdict.ok,
        "files": verdict.files,
        "events": verdict.links,
        "checkpoints": verdict.checkpoints,
        "first_day": verdict.first_day and verdict.first_day.isoformat(),
        "last_day": verdict.last_day and verdict.last_day.isoformat(),
        "last_sha512": verdict.last_sha512 and verdict.last_sha512.hex(),
        "anchored_until": _moment(verdict.anchored_until),
        "covered_day": verdict.covered_day and verdict.covered_day.isoformat(),
        "covered_at": _moment(verdict.covered_at),
        "removed_personal_files": verdict.removed_personal_files,
        "first_bad": bad
        and {"what": bad.what, "file": bad.file, "line": bad.line, "link": bad.seq, "checkpoint": bad.checkpoint},
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
