"""How a command ends when it is refused."""

from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

import typer

from fts.errors import CODED_ERRORS, RefusalError, refusal_of
from fts.terminal import printable

T = TypeVar("T")

REFUSED: Final = 1
WRONG_USE: Final = 2
INTERRUPTED: Final = 130


def refused_as(status: int, work: Callable[[], T]) -> T:
    """Do the work; a refusal ends the program with `status`."""
    try:
        return work()
    except CODED_ERRORS as error:
        fail(refusal_of(error), status)
    except KeyboardInterrupt:
        typer.echo("Stopped; no file was written.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def fail(refusal: RefusalError, status: int) -> NoReturn:
    """End the program: two lines on standard error say why and what to do."""
    typer.echo(f"{refusal.code}: {printable(str(refusal))}", err=True)
    typer.echo(f"Remedy: {refusal.remedy}", err=True)
    raise typer.Exit(status)
