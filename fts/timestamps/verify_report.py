"""The report of a timestamp's verification, as JSON and for people.

The JSON object is stable:

    file, valid, conformant, verified_at
    contained        name of the file in a container that is stamped
    kind             token or reply; status: PKIStatus of a reply
    time, accuracy_seconds, policy, serial_number and nonce (hexadecimal), qualified_statement
    imprint          algorithm (dotted identifier), value (hexadecimal)
    authority        subject of the unit's certificate; path: subjects from it to the anchor, empty without one
    revocation       status (good, revoked, unknown), certificates: subject, status, source (ocsp, crl), this_update,
                     next_update, revoked_at, reason (RFC 5280, 5.3.1), message; unfetched: party, code, message
    findings         code (stable), severity (invalid, norm, note), clause, message

What could not be read, or is not known, is null.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fts.terminal import printable, readable_name
from fts.verify_json import Json
from fts.verify_view import utc
from timestamping.algorithms import DigestAlgorithm
from timestamping.findings import Severity
from timestamping.standing import Standing
from timestamping.verify import Report

_LONGEST_SHOWN: Final = 128
"""Characters of a number or digest; a sound one has no more."""
_STYLES: Final = {Severity.INVALID: "red", Severity.NORM: "yellow", Severity.NOTE: "dim"}


def report_json(report: Report, file: str, unfetched: Sequence[Json] = (), contained: str | None = None) -> Json:
    """Return a report in the stable form, with what could not be fetched for it and what a container holds."""
    imprint = report.imprint
    return {
        "file": file,
        "contained": contained,
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
        "revocation": {
            "status": report.revocation.value,
            "certificates": [_standing(each) for each in report.standings],
            "unfetched": list(unfetched),
        },
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


def _standing(standing: Standing) -> Json:
    evidence = standing.evidence
    known: Json = dict.fromkeys(("source", "this_update", "next_update", "revoked_at", "reason"))
    if evidence is not None:
        known = {
            "source": "ocsp" if evidence.is_ocsp else "crl",
            "this_update": evidence.this_update.isoformat(),
            "next_update": evidence.next_update and evidence.next_update.isoformat(),
            "revoked_at": evidence.revoked_at and evidence.revoked_at.isoformat(),
            "reason": evidence.reason and evidence.reason.value,
        }
    subject = standing.certificate.subject.rfc4514_string()
    return {"subject": subject, "status": standing.status.value, **known, "message": standing.message}


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
    for failure in result["revocation"]["unfetched"]:
        console.print(Text(f"  {failure['code']}: {printable(failure['message'])}", "yellow"), soft_wrap=True)
    for finding in result["findings"]:
        style = _STYLES[Severity(finding["severity"])]
        message = f"{printable(finding['message'])} ({finding['clause']})"
        console.print(Text.assemble((f"  {finding['code']}: ", style), message), soft_wrap=True)


def _rows(result: Json) -> list[tuple[str, str]]:
    unread = "could not be read"
    time, accuracy, imprint = result["time"], result["accuracy_seconds"], result["imprint"]
    statement = {True: "yes, by its own statement", False: "not stated", None: unread}
    trusted = " < ".join(readable_name(subject) for subject in result["path"][1:])
    stamped = [] if result["contained"] is None else [("stamped file", printable(result["contained"]))]
    return [
        *stamped,
        ("time", unread if time is None else _precise(datetime.fromisoformat(time))),
        ("accuracy", "not stated" if accuracy is None else f"{accuracy:g} s"),
        ("authority", readable_name(result["authority"])),
        ("trusted through", trusted or ("itself" if result["path"] else "nobody")),
        ("revocation", _revocation(result["revocation"])),
        ("policy", printable(result["policy"] or unread)),
        ("serial number", (result["serial_number"] or unread)[:_LONGEST_SHOWN]),
        (
            "over",
            unread if imprint is None else f"{_algorithm(imprint['algorithm'])} {imprint['value'][:_LONGEST_SHOWN]}",
        ),
        ("qualified", statement[result["qualified_statement"]]),
    ]


def _revocation(revocation: Json) -> str:
    sources = [
        f"{each['source'].upper()} of {utc(datetime.fromisoformat(each['this_update']))}"
        for each in revocation["certificates"]
        if each["source"] is not None
    ]
    return f"{revocation['status']}, by {', '.join(dict.fromkeys(sources))}" if sources else revocation["status"]


def _precise(moment: datetime) -> str:
    return utc(moment) if not moment.microsecond else f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"


def _algorithm(oid: str | None) -> str:
    for known in DigestAlgorithm:
        if known.oid == oid:
            return known.value
    return printable(oid or "an unknown algorithm")


def _hexadecimal(number: int | None) -> str | None:
    return None if number is None else f"{number:x}"
