"""Verification results on the terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fts.terminal import printable, readable_name
from fts.verify_json import Json

_LABEL: Final = 22
"""Characters of a line for labels: identifiers of XML signatures would take half of a terminal."""


def show(console: Console, document: Json) -> None:
    """Print the verification of one file, in the form of `fts.verify_json`."""
    console.print(_verdict(document), soft_wrap=True)
    for signature in document["signatures"]:
        console.print(_signature_table(signature, document["size"]))
    if document["archive_timestamps"]:
        console.print(_archive_table(document["archive_timestamps"]))
    for line in _finding_lines(document):
        console.print(line, soft_wrap=True)


def utc(moment: datetime) -> str:
    """Return a time in UTC, to the second, with its zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _verdict(document: Json) -> Text:
    name = printable(document["file"])
    if not document["valid"]:
        return Text.assemble(("NOT VALID  ", "bold red"), (name, "bold"))
    count = len(document["signatures"])
    what = "1 signature" if count == 1 else f"{count} signatures"
    return Text.assemble(("VALID  ", "bold green"), (name, "bold"), f"  {what}, level {document['level']}")


def _signature_table(signature: Json, size: int) -> Table:
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="dim", max_width=_LABEL, overflow="fold")
    table.add_column(overflow="fold")
    verdict = Text(f"valid, level {signature['level'] or 'none of the baseline'}", style="green")
    if not signature["valid"]:
        verdict = Text("not valid", style="red")
    rows: list[tuple[str, RenderableType]] = [
        (f"Signature {printable(signature['field'])}", verdict),
        ("signed by", readable_name(signature["signer"])),
        ("what is signed", _covered(signature, size)),
        ("proven to exist at", _utc_text(signature["proven_at"]) if signature["proven_at"] else "no trusted time"),
        ("signer's own time", _utc_text(signature["claimed_at"]) if signature["claimed_at"] else "none"),
    ]
    if signature["timestamps"]:
        stamps = Group(*(Text(f"{_utc_text(t['time'])} by {_authority(t)}") for t in signature["timestamps"]))
        rows.append(("signature timestamp", stamps))
    for row in rows:
        table.add_row(*row)
    return table


def _archive_table(timestamps: list[Json]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("Archive timestamp", max_width=_LABEL, overflow="fold")
    table.add_column("Time", no_wrap=True)
    table.add_column("Authority", overflow="fold")
    table.add_column("", no_wrap=True)
    for timestamp in timestamps:
        verdict = Text("valid", style="green") if timestamp["valid"] else Text("not valid", style="red")
        table.add_row(printable(timestamp["field"]), _utc_text(timestamp["time"]), _authority(timestamp), verdict)
    return table


def _finding_lines(document: Json) -> Iterator[Text]:
    for style, kind in (("red", "problems"), ("yellow", "notes")):
        for place, part in _parts(document):
            for finding in part.get(kind, ()):
                message = printable(finding["message"])
                yield Text.assemble((f"  {finding['code']}: ", style), f"{message}{place}")


def _parts(document: Json) -> Iterator[tuple[str, Json]]:
    yield "", document
    for signature in document["signatures"]:
        yield f" (signature {printable(signature['field'])})", signature
        for timestamp in signature["timestamps"]:
            yield f" (timestamp of signature {printable(signature['field'])})", timestamp
    for timestamp in document["archive_timestamps"]:
        yield f" (archive timestamp {printable(timestamp['field'])})", timestamp


def _covered(signature: Json, size: int) -> str:
    if signature["covers"] is not None:
        return f"{printable(signature['covers'])}, by {signature['digest']}"
    if signature["byte_range"] is None:
        return "nothing that can be told"
    end = signature["byte_range"][2] + signature["byte_range"][3]
    if end == size:
        return f"the whole file, {size} octets, by {signature['digest']}"
    return f"the first {end} octets of {size} (what follows was added later), by {signature['digest']}"


def _authority(timestamp: Json) -> str:
    return readable_name(timestamp["authority"])


def _utc_text(time: str | None) -> str:
    return "unknown" if time is None else utc(datetime.fromisoformat(time))
