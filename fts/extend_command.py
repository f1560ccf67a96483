"""`fts extend`: signatures brought to level LTA afterwards, and their archive timestamps renewed."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fts import commands
from fts.exits import REFUSED, WRONG_USE, refused_as
from fts.extending import ExtendedFile, ExtensionOrder, extend_file
from fts.service_urls import check_urls
from fts.settings import Settings
from fts.terminal import printable
from fts.trust_files import load_trust_files
from fts.verify_json import Json
from fts.verify_view import utc
from timestamping.algorithms import DigestAlgorithm


def extend_command(
    document: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            readable=False,
            help="A signed PDF or XML document, a signature file, or an ASiC container; it is not changed.",
        ),
    ],
    destination: Annotated[Path, typer.Argument(metavar="OUT", readable=False, help="Where the extended one goes.")],
    tsa: Annotated[str, typer.Option("--tsa", help="URL of the timestamping authority (RFC 3161).")],
    trust: Annotated[
        list[Path],
        typer.Option("--trust", help="Certificate of a trusted root, PEM or DER; repeat it for several files."),
    ],
    digest: Annotated[DigestAlgorithm, typer.Option(help="Digest of the timestamps.")] = DigestAlgorithm.SHA256,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="URL whose host and port may be asked although internal: http://127.0.0.1:PORT; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Bring valid signatures to level LTA, or renew them with another archive timestamp. No card is needed.

    Documents that a signature file names are looked for beside IN. Where a valid signature cannot be brought to LTA,
    nothing is written.

    Exit status: 0 every signature is at LTA, 1 refused, or OUT was written and holds a signature that is not valid and
    was left as it is, 2 wrong use, 130 interrupted.
    """
    refused_as(WRONG_USE, partial(check_urls, (*(allow_host or ()), tsa)))
    settings = Settings(
        anchors=tuple(refused_as(WRONG_USE, partial(load_trust_files, trust))),
        tsa_url=tsa,
        allowed_urls=tuple(allow_host or ()),
    )
    order = ExtensionOrder(document, destination, digest, replace=force)
    extended = refused_as(REFUSED, lambda: commands.run(extend_file(order, settings)))
    for line in _lines(extended):
        typer.echo(line)
    if extended.left:
        raise typer.Exit(REFUSED)


def _lines(extended: ExtendedFile) -> Iterator[str]:
    yield f"Extended: {printable(str(extended.path))}"
    yield f"Signatures at level LTA: {len(extended.at_lta)}"
    for signature in extended.left:
        yield f"Left as it is: {printable(signature['field'])}: {printable(_reason(signature))}"
    yield f"Archive timestamp: {utc(extended.archived_at)}"
    yield f"SHA-256: {extended.report['sha256']}"


def _reason(signature: Json) -> str:
    parts = [signature, *signature["timestamps"]]
    findings = [finding for kind in ("problems", "notes") for part in parts for finding in part[kind]]
    return "; ".join(f"{finding['code']}: {finding['message']}" for finding in findings)
