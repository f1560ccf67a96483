"""`fts timestamp verify`: everything that is wrong with a token, reply or container, for people or as JSON."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console

from fts import commands
from fts.errors import RefusalError, file_refusal
from fts.exits import REFUSED, WRONG_USE, fail, refused_as
from fts.service_urls import check_urls
from fts.timestamps.contained import ZIP, digests_of, read_contained
from fts.timestamps.revocation import fetched, load_values
from fts.timestamps.verify_report import report_json, show
from fts.trust_files import load_trust_files
from fts.verify_json import Json
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import utc_now
from timestamping.request import TimestampRequest, parse_request
from timestamping.strict_der import MOST_OCTETS
from timestamping.verify import verify

_LARGEST_QUERY: Final = 64 * 1024


def verify_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A token (.tst), an authority's reply (.tsr), or an ASiC-S container with a timestamp."
        ),
    ],
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
    crl: Annotated[
        list[Path] | None,
        typer.Option("--crl", help="A CRL for the check of revocation, PEM or DER; repeatable."),
    ] = None,
    ocsp: Annotated[
        list[Path] | None,
        typer.Option("--ocsp", help="An OCSP response for the check of revocation, DER; repeatable."),
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Ask the OCSP responders and CRL servers that the certificates name.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="URL whose host and port --fetch may ask although internal: http://127.0.0.1:PORT."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Verify a timestamp strictly, offline unless --fetch is given; exit status 0 only if it is valid.

    Give what it is said to be over: --data, --digest or --query; a container has it inside. Certificates are judged at
    the time of the timestamp.

    With --crl, --ocsp or --fetch it is valid only if they, and what the token carries, show that none was revoked.
    """
    contained = None
    if refused_as(WRONG_USE, partial(_read, file, len(ZIP))) == ZIP:
        contained = refused_as(REFUSED, partial(read_contained, file))
    if contained is None and data is None and digest is None and query is None:
        _wrong("nothing is given to compare the timestamp with", "Give --data, --digest or --query.")
    if contained is not None and (data is not None or digest is not None):
        _wrong("the container holds what is stamped", "Leave out --data and --digest.")
    if data is not None and digest is not None:
        _wrong("--data and --digest exclude each other", "Give one of them.")
    refused_as(WRONG_USE, partial(check_urls, allow_host or ()))
    values = refused_as(WRONG_USE, partial(load_values, crl or (), ocsp or ()))
    judged = partial(
        verify,
        contained.token if contained else refused_as(WRONG_USE, partial(_read, file, MOST_OCTETS + 1)),
        clock=utc_now,
        digests=contained.digests if contained else refused_as(WRONG_USE, lambda: _digests(data, digest, algorithm)),
        request=None if query is None else refused_as(WRONG_USE, partial(_request, query)),
        anchors=refused_as(WRONG_USE, partial(load_trust_files, trust or ())),
        untrusted=refused_as(WRONG_USE, partial(load_trust_files, untrusted or ())),
    )
    report = judged(revocation=values if crl or ocsp or fetch else None)
    unfetched: list[Json] = []
    if fetch:
        found = commands.run(fetched(report.path, allow_host or (), utc_now))
        unfetched = found.failures
        report = judged(revocation=values.with_(found.values))
    result = report_json(report, str(file), unfetched, contained.name if contained else None)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        show(Console(highlight=False), result)
    if not report.valid:
        raise typer.Exit(REFUSED)


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
    try:
        with data.open("rb") as file:
            return digests_of(file)
    except OSError as error:
        raise file_refusal("TIMESTAMP_FILE", error, str(data)) from error


def _request(path: Path) -> TimestampRequest:
    try:
        return parse_request(_read(path, _LARGEST_QUERY))
    except ValueError as error:
        raise RefusalError(
            "TIMESTAMP_USE", f"{path} is no timestamp query (TimeStampReq, DER)", "Give the query as it was sent."
        ) from error


def _wrong(message: str, remedy: str) -> NoReturn:
    fail(RefusalError("TIMESTAMP_USE", message, remedy), WRONG_USE)
