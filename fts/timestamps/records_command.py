"""`fts timestamp records`: walks an authority's records and counts what was decided (EN 319 421, clause 7.12).

The JSON object is stable: directory, decisions, granted, refused (failInfo to count), first and last (times of the
decisions, null without one), clock_changes (before, state, offset_seconds, error_seconds, sources, check, checked_at).
"""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from fts.errors import RefusalError, file_refusal
from fts.exits import REFUSED, WRONG_USE, fail
from fts.terminal import printable
from timestamping.authority.records import RecordsDamagedError, read_everything


def records_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of an authority's records.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check the chain of every file of records; exit status 1 and the first bad line where one is not as written.

    Then count what was decided, and tell each change of the clock's state.
    """
    found: dict[str, Any] = {"directory": str(directory), "decisions": 0, "granted": 0, "first": None, "last": None}
    refused: Counter[str] = Counter()
    changes: list[dict[str, Any]] = []
    try:
        for record in read_everything(directory):
            if "kind" in record:
                changes.append(record)
                continue
            found["decisions"] += 1
            if record["fail_info"] is None:
                found["granted"] += 1
            else:
                refused[record["fail_info"]] += 1
            decided = record["decided_at"]
            found["first"] = min(found["first"] or decided, decided)
            found["last"] = max(found["last"] or decided, decided)
    except RecordsDamagedError as error:
        fail(RefusalError(error.code, str(error), error.remedy), REFUSED)
    except OSError as error:
        fail(file_refusal("RECORDS_UNREADABLE", error, str(directory)), WRONG_USE)
    if as_json:
        typer.echo(json.dumps(found | {"refused": dict(refused), "clock_changes": changes}, indent=2))
        return
    told = "".join(f", {count} {name}" for name, count in sorted(refused.items()))
    typer.echo(f"{found['decisions']} decisions, chained: {found['granted']} granted{told}")
    if found["first"] is not None:
        typer.echo(f"from {found['first']} to {found['last']}")
    for change in changes:
        typer.echo(_told(change))


def _told(change: dict[str, Any]) -> str:
    before = "" if change["before"] is None else f" (before: {change['before']})"
    offset = change["offset_seconds"]
    off = "" if offset is None else f", {float(offset):+.3f} s from {', '.join(change['sources'])}"
    return printable(f"{change['checked_at']}: the clock is {change['state']}{before}{off}")
