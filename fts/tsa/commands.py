"""`fts tsa`: the timestamping authority as processes of its own."""
# ruff: noqa: PLC0415

import logging
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fts.errors import RefusalError
from fts.exits import REFUSED, WRONG_USE, fail, refused_as

if TYPE_CHECKING:
    from fts.tsa.configuration import AuthorityFile


class KeyKind(StrEnum):
    """Keys of a demo unit."""

    P256 = "p256"
    P384 = "p384"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"


class KeyStore(StrEnum):
    """Where a demo unit's key is."""

    FILE = "file"
    SOFTHSM = "softhsm"


def tsa_command(
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration file (TOML); docs/operation.md has its members.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Make a test unit and serve it to this machine; refused in PROD.")
    ] = False,
    key: Annotated[KeyKind, typer.Option(help="Key of the demo's unit.")] = KeyKind.P256,
    store: Annotated[
        KeyStore, typer.Option(help="Where the demo's key is: a file, or a SoftHSM token.")
    ] = KeyStore.FILE,
    directory: Annotated[
        Path | None, typer.Option(help="Directory of the demo: certificates, key, records.  [default: var/tsa-KEY]")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8318,
    workers: Annotated[
        int | None, typer.Option(help="Processes, each a signer of its own; by default as configured.", min=1, max=256)
    ] = None,
) -> None:
    """Serve a timestamping authority (RFC 3161) until SIGTERM or SIGINT.

    With --config, the authority that a file describes. With --demo, one with a test certificate of its own making; it
    prints its URL, the certificate to trust, and three lines with which OpenSSL gets a token and verifies it.
    """
    from fts.tsa.demo import WARNING, walk
    from fts.tsa.demo import demo as made_demo

    if (config is None) is not demo:
        refusal = RefusalError("TSA_CHOICE", "either --config or --demo is needed", "Give one of them.")
        fail(refusal, WRONG_USE)
    _log()
    if config is not None:
        file, lines = _configured(config, workers), None
    else:
        place = directory or Path("var") / f"tsa-{key}"
        make = partial(made_demo, place, key.value, workers or 1, store.value)
        file, material = refused_as(REFUSED, make)
        logging.getLogger("fts.tsa").warning(WARNING)
        lines = partial(walk, root=material.root)
        typer.echo(f"Certificate to trust: {material.root}")
        typer.echo(f"Certificate of the unit: {material.certificates}")
        typer.echo(f"Records: {file.timestamping.records}")

    def announce(url: str) -> None:
        typer.echo(f"timestamping authority ready on {url}")
        if lines is not None:
            typer.echo(f"\nA token, and its verification with OpenSSL:\n\n{lines(url)}", nl=False)
        sys.stdout.flush()

    _serve(file, host, port, announce)


def _configured(path: Path, workers: int | None) -> "AuthorityFile":
    from fts.tsa.configuration import load

    file = refused_as(WRONG_USE, partial(load, path))
    if workers is None:
        return file
    settings = file.timestamping.model_copy(update={"workers": workers})
    return file.model_copy(update={"timestamping": settings})


def _serve(file: "AuthorityFile", host: str, port: int, announce: Callable[[str], None]) -> None:
    from fts.tsa.composition import certificates_of
    from fts.tsa.supervisor import Supervisor, listeners
    from fts.tsa.worker import Worker

    refused_as(REFUSED, partial(certificates_of, file.timestamping))
    try:
        sockets = listeners(host, port, file.timestamping.workers)
    except OSError as error:
        refusal = RefusalError("PORT_UNAVAILABLE", f"{host}:{port}: {error.strerror}", "Choose another port: --port.")
        fail(refusal, REFUSED)
    number = sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    supervisor = Supervisor(sockets, Worker(file).run, partial(announce, f"http://{shown}:{number}/tsa"))
    status = supervisor.run()
    if status:
        raise typer.Exit(status)


def _log() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
