"""How a command ends when it is refused."""

import sys
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

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
        _tell("Stopped; no file was written.")
        sys.exit(INTERRUPTED)


def fail(refusal: RefusalError, status: int) -> NoReturn:
    """End the program: two lines on standard error say why and what to do."""
    _tell(f"{refusal.code}: {printable(str(refusal))}")
    _tell(f"Remedy: {refusal.remedy}")
    sys.exit(status)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
