"""The file into which a result goes: complete, or not at all."""

import os
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from fts.errors import RefusalError, file_refusal


def check_destination(path: Path, documents: Iterable[Path], *, replace: bool) -> None:
    """Check, before anything is done, that a result can go where it shall.

    Args:
        path: where.
        documents: what it is made of; none of them is ever replaced.
        replace: whether another file there may be replaced.

    Raises:
        RefusalError: OUTPUT_EXISTS or OUTPUT_UNWRITABLE.
    """
    try:
        for document in documents:
            if path.exists() and document.exists() and path.samefile(document):
                raise RefusalError(
                    "OUTPUT_EXISTS", f"{path} is the document itself", "Choose another path for the result."
                )
        if path.is_dir():
            raise RefusalError("OUTPUT_UNWRITABLE", f"{path} is a directory", "Give the path of a file for the result.")
        if not replace and os.path.lexists(path):
            raise _exists(path)
    except OSError as error:
        raise file_refusal("OUTPUT_UNWRITABLE", error, str(path)) from error


@asynccontextmanager
async def new_file(path: Path, *, replace: bool) -> AsyncIterator[Path]:
    """Give an empty file beside the destination, which takes its place at the end, or nothing on an error.

    Whoever fills the file also synchronises it to the disk.

    Raises:
        RefusalError: OUTPUT_EXISTS or OUTPUT_UNWRITABLE.
    """
    temporary = path.parent / f".fts-{secrets.token_hex(8)}.tmp"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
    except OSError as error:
        raise file_refusal("OUTPUT_UNWRITABLE", error, str(path)) from error
    try:
        yield temporary
        _move(temporary, path, replace=replace)
    finally:
        temporary.unlink(missing_ok=True)


def _move(temporary: Path, path: Path, *, replace: bool) -> None:
    try:
        if not replace:
            _link(temporary, path)
        else:
            temporary.replace(path)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise file_refusal("OUTPUT_UNWRITABLE", error, str(path)) from error


def _link(temporary: Path, path: Path) -> None:
    """Give the file its name unless that is taken; where the file system has no links, look first and then rename."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        temporary.replace(path)


def _exists(path: Path) -> RefusalError:
    return RefusalError(
        "OUTPUT_EXISTS", f"{path} exists already", "Choose another path, or give --force to replace it."
    )
