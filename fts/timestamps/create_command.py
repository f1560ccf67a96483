"""`fts timestamp create`: a timestamp on a file, from any RFC 3161 authority."""

import tempfile
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from fts import commands
from fts.errors import RefusalError, file_refusal
from fts.exits import REFUSED, WRONG_USE, refused_as
from fts.frames import Message
from fts.process_pool import DocumentProcesses
from fts.settings import Settings
from fts.terminal import printable
from fts.timestamps.forms import Form
from fts.trust_files import load_trust_files
from timestamping.algorithms import DigestAlgorithm


class FormName(StrEnum):
    """What is made of the file and its timestamp."""

    DETACHED = "detached"
    ASIC_S = "asic-s"
    PDF = "pdf"


_NO_REVOCATION: Final = (
    "A timestamp in a PDF needs revocation data of its authority: ask one whose certificates name a CRL or an OCSP "
    "responder that answers, or take --form detached or asic-s, which need none."
)
_SUFFIXES = {FormName.DETACHED: ".tst", FormName.ASIC_S: ".asics", FormName.PDF: "-timestamped.pdf"}


def create_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file; it is never changed.")],
    tsa: Annotated[str, typer.Option("--tsa", help="URL of the timestamping authority (RFC 3161).")],
    trust: Annotated[
        list[Path],
        typer.Option("--trust", help="Certificate of a trusted root, PEM or DER; repeat it for several files."),
    ],
    form: Annotated[
        FormName,
        typer.Option(
            "--form",
            help="detached: the token beside the file; asic-s: both in an ASiC-S container; pdf: a document timestamp "
            "in the PDF.",
        ),
    ] = FormName.DETACHED,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where it goes; by default FILE with .tst, .asics or -timestamped.pdf.")
    ] = None,
    digest: Annotated[DigestAlgorithm, typer.Option(help="Hash of the file.")] = DigestAlgorithm.SHA256,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="URL whose host and port may be asked although internal: http://127.0.0.1:PORT; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the result if it exists.")] = False,
) -> None:
    """Timestamp a file. The token is verified up to a trusted root before anything is written.

    A document timestamp in a PDF comes with the revocation data of the authority, which is fetched where its
    certificates say.
    """
    settings = Settings(
        anchors=tuple(refused_as(WRONG_USE, partial(load_trust_files, trust))),
        tsa_url=tsa,
        allowed_urls=tuple(allow_host or ()),
    )
    destination = out or _destination(file, form)
    result = refused_as(REFUSED, lambda: _stamp(file, destination, form.value, digest, settings, replace=force))
    typer.echo(f"Timestamped: {printable(str(destination))}")
    typer.echo(f"Time: {result['gen_time']}")
    typer.echo(f"Authority: {printable(result['authority'])}")
    typer.echo(f"SHA-256: {result['sha256']}")


def _destination(file: Path, form: FormName) -> Path:
    name = file.stem if form is FormName.PDF else file.name
    return file.with_name(name + _SUFFIXES[form])


def _stamp(
    file: Path, destination: Path, form: Form, digest: DigestAlgorithm, settings: Settings, *, replace: bool
) -> Message:
    """Make the timestamp in a directory beside the destination, which appears complete or not at all."""
    try:
        with file.open("rb"):
            pass
        if destination.exists() and not replace:
            raise _exists(destination)
        with tempfile.TemporaryDirectory(prefix=".fts-", dir=destination.parent) as directory:
            made = Path(directory) / "result"
            request = {
                "task": "stamp",
                "document": str(file.resolve()),
                "name": file.name,
                "form": form,
                "digest": digest.value,
                "output": str(made.resolve()),
            }
            result = _made(settings, request)
            if replace:
                made.replace(destination)
            else:
                destination.hardlink_to(made)
    except FileExistsError as error:
        raise _exists(destination) from error
    except OSError as error:
        raise file_refusal("TIMESTAMP_FILE", error, str(error.filename or destination)) from error
    return result


def _made(settings: Settings, request: Message) -> Message:
    try:
        return commands.run(_asked(settings, request))
    except RefusalError as error:
        if error.code == "REVOCATION_UNAVAILABLE" and request["form"] == "pdf":
            raise RefusalError(error.code, str(error), _NO_REVOCATION) from error
        raise


async def _asked(settings: Settings, request: Message) -> Message:
    async with DocumentProcesses(settings) as processes, processes.process() as process:
        return await process.call(request, lambda _step: None)


def _exists(path: Path) -> RefusalError:
    remedy = "Choose another path with --out, or give --force to replace it."
    return RefusalError("OUTPUT_EXISTS", f"{path} exists already", remedy)
