"""`fts timestamp verify`: everything that is wrong with a token or reply, for people or as JSON.

The JSON object is stable:

    file, valid, conformant, verified_at
    kind             token or reply; status: PKIStatus of a reply
    time, accuracy_seconds, policy, serial_number and nonce (hexadecimal), qualified_statement
    imprint          algorithm (dotted identifier), value (hexadecimal)
    authority        subject of the unit's certificate; path: subjects from it to the anchor, empty without one
    findings         code (stable), severity (invalid, norm, note), clause, message

What could not be read is null.
"""

import json
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fts.errors import RefusalError, file_refusal
from fts.exits import REFUSED, WRONG_USE, fail, refused_as
from fts.terminal import printable, readable_name
from fts.trust_files import load_trust_files
from fts.verify_json import Json
from fts.verify_view import utc
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import utc_now
from timestamping.findings import Severity
from timestamping.request import TimestampRequest, parse_request
from timestamping.strict_der import MOST_OCTETS
from timestamping.verify import Report, verify

_CHUNK: Final = 1024 * 1024
_LARGEST_QUERY: Final = 64 * 1024
_LONGEST_SHOWN: Final = 128
"""Characters of a number or digest; a sound one has no more."""
_STYLES: Final = {Severity.INVALID: "red", Severity.NORM: "yellow", Severity.NOTE: "dim"}


def verify_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A token (.tst) or an authority's reply (.tsr).")],
    data: Annotated[
        Path | None, typer.Option("--data", help="What is said to be stamped; it is hashed here. Not a file of a hash.")
    ] = None,
    digest: Annotated[str | None, typer.Option("--digest", help="Its digest instead, hexadecimal.")] = None,
    algorithm: Annotated[DigestAlgorithm, typer.Option("--hash", help="By what --digest was made.")] = (
        DigestAlgorithm.SHA256
    ),
    query: Annotated[
        Path | None, typer.Option("--query", help="The query (.tsq): imprint, nonce, policy and certificates must fit.")
    ] = None,
    trust: Annotated[
        list[Path] | None,
        typer.Option("--trust", help="Certificate of a trusted root, PEM or DER; repeatable. Without: not valid."),
    ] = None,
    untrusted: Annotated[
        list[Path] | None,
        typer.Option("--untrusted", help="Certificates that the token may leave out, PEM or DER; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Verify a timestamp offline and strictly; exit status 0 only if it is valid.

    Give what it is said to be over: --data, --digest or --query. Certificates are judged at the time of the timestamp;
    whether one was revoked is not judged.
    """
    if data is None and digest is None and query is None:
        _wrong("nothing is given to compare the timestamp with", "Give --data, --digest or --query.")
    if data is not None and digest is not None:
        _wrong("--data and --digest exclude each other", "Give one of them.")
    report = verify(
        refused_as(WRONG_USE, partial(_read, file, MOST_OCTETS + 1)),
        clock=utc_now,
        digests=refused_as(WRONG_USE, lambda: _digests(data, digest, algorithm)),
        request=None if query is None else refused_as(WRONG_USE, partial(_request, query)),
        anchors=refused_as(WRONG_USE, partial(load_trust_files, trust or ())),
        untrusted=refused_as(WRONG_USE, partial(load_trust_files, untrusted or ())),
    )
    result = report_json(report, str(file))
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        show(Console(highlight=False), result)
    if not report.valid:
        raise typer.Exit(REFUSED)


def report_json(report: Report, file: str) -> Json:
    """Return a report in the stable form."""
    imprint = report.imprint
    return {
        "file": file,
        "valid": report.valid,
        "conformant": report.conformant,
        "verified_at": report.verified_at.isoformat(),
        "kind": "token" if report.status is None else "reply",
        "status": report.status,
        "time": report.gen_time and report.gen_time.isoformat(),
        "accuracy_seconds": None if report.accuracy is None else report.accuracy.total_seconds(),
        "policy": report.policy,
        "serial_number": _hexadecimal(report.serial_number),
        "nonce": _hexadecimal(report.nonce),
        "qualified_statement": report.qualified_statement,
        "imprint": None if imprint is None else {"algorithm": report.imprint_algorithm, "value": imprint.hex()},
        "authority": None if report.unit is None else report.unit.subject.rfc4514_string(),
        "path": [certificate.subject.rfc4514_string() for certificate in report.path],
        "findings": [
            {
                "code": finding.code.value,
                "severity": finding.severity.value,
                "clause": finding.clause,
                "message": finding.message,
            }
            for finding in report.findings
        ],
    }


def show(console: Console, result: Json) -> None:
    """Print a result in the stable form for a person."""
    verdict = ("VALID  ", "bold green") if result["valid"] else ("NOT VALID  ", "bold red")
    short = "" if result["conformant"] or not result["valid"] else "  though not every standard is kept"
    console.print(Text.assemble(verdict, (printable(result["file"]), "bold"), short), soft_wrap=True)
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for row in _rows(result):
        table.add_row(*row)
    console.print(table)
    for finding in result["findings"]:
        style = _STYLES[Severity(finding["severity"])]
        message = f"{printable(finding['message'])} ({finding['clause']})"
        console.print(Text.assemble((f"  {finding['code']}: ", style), message), soft_wrap=True)


def _rows(result: Json) -> list[tuple[str, str]]:
    unread = "could not be read"
    time, accuracy, imprint = result["time"], result["accuracy_seconds"], result["imprint"]
    statement = {True: "yes, by its own statement", False: "not stated", None: unread}
    trusted = " < ".join(readable_name(subject) for subject in result["path"][1:])
    return [
        ("time", unread if time is None else _precise(datetime.fromisoformat(time))),
        ("accuracy", "not stated" if accuracy is None else f"{accuracy:g} s"),
        ("authority", readable_name(result["authority"])),
        ("trusted through", trusted or ("itself" if result["path"] else "nobody")),
        ("policy", printable(result["policy"] or unread)),
        ("serial number", (result["serial_number"] or unread)[:_LONGEST_SHOWN]),
        (
            "over",
            unread if imprint is None else f"{_algorithm(imprint['algorithm'])} {imprint['value'][:_LONGEST_SHOWN]}",
        ),
        ("qualified", statement[result["qualified_statement"]]),
    ]


def _precise(moment: datetime) -> str:
    return utc(moment) if not moment.microsecond else f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"


def _algorithm(oid: str | None) -> str:
    for known in DigestAlgorithm:
        if known.oid == oid:
            return known.value
    return printable(oid or "an unknown algorithm")


def _hexadecimal(number: int | None) -> str | None:
    return None if number is None else f"{number:x}"


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise file_refusal("TIMESTAMP_FILE", error, str(path)) from error


def _digests(data: Path | None, digest: str | None, algorithm: DigestAlgorithm) -> dict[DigestAlgorithm, bytes] | None:
    if digest is not None:
        try:
            value = bytes.fromhex(digest)
        except ValueError:
            value = b""
        if len(value) != algorithm.size:
            message = f"--digest is no {algorithm} digest: {algorithm.size * 2} hexadecimal digits"
            raise RefusalError("TIMESTAMP_USE", message, "Give the digest, and with --hash how it was made.")
        return {algorithm: value}
    if data is None:
        return None
    running = {each: each.new() for each in DigestAlgorithm}
    try:
        with data.open("rb") as file:
            while chunk := file.read(_CHUNK):
                for each in running.values():
                    each.update(chunk)
    except OSError as error:
        raise file_refusal("TIMESTAMP_FILE", error, str(data)) from error
    return {each: hash_.digest() for each, hash_ in running.items()}


def _request(path: Path) -> TimestampRequest:
    try:
        return parse_request(_read(path, _LARGEST_QUERY))
    except ValueError as error:
        raise RefusalError(
            "TIMESTAMP_USE", f"{path} is no timestamp query (TimeStampReq, DER)", "Give the query as it was sent."
        ) from error


def _wrong(message: str, remedy: str) -> NoReturn:
    fail(RefusalError("TIMESTAMP_USE", message, remedy), WRONG_USE)
