"""Names of files in a container: what may stand there, on every system that may unpack it."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Final

from signing.asic.ports import META_INF, MIMETYPE, ContainerError
from signing.limits import LIMITS

_DRIVE: Final = re.compile(r"[A-Za-z]:")


def check_path(path: str) -> None:
    """Check the path of an entry; a folder's ends in `/`.

    Raises:
        ContainerError: it is absolute, leads upwards, names a drive, or holds a character that paths do not have.
    """
    if not path or not path.isprintable() or "\\" in path or _DRIVE.match(path):
        raise ContainerError(f"{path[:100]!r} cannot be the name of a file in a container")
    parts = path.removesuffix("/").split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise ContainerError(f"{path[:100]!r} leads out of the container or nowhere")
    sizes = [len(part.encode()) for part in parts]
    long = max(sizes) > LIMITS.container_name_bytes or sum(sizes) + len(sizes) > LIMITS.container_path_bytes
    if long or len(parts) > LIMITS.container_depth:
        raise ContainerError(f"{path[:100]!r} is too long or too deep")


def check_twins(paths: Iterable[str]) -> None:
    """Check that no two paths are one on a system that ignores case, forms of Unicode, or dots and spaces at the end.

    Raises:
        ContainerError: two are, or a file has the name of a folder.
    """
    entries: set[str] = set()
    files: set[str] = set()
    folders: dict[str, str] = {}
    for path in paths:
        key = folded(path)
        parents = path.removesuffix("/").split("/")[:-1]
        above = ["/".join(parents[: n + 1]) for n in range(len(parents))]
        if path.endswith("/"):
            above.append(path.removesuffix("/"))
        elif key in folders:
            raise ContainerError(f"{path[:100]!r} has the name of a folder")
        else:
            files.add(key)
        if key in entries:
            raise ContainerError(f"{path[:100]!r} has a name that another entry has, or can have elsewhere")
        entries.add(key)
        for folder in above:
            if folded(folder) in files or folders.setdefault(folded(folder), folder) != folder:
                raise ContainerError(f"the folder {folder[:100]!r} has a name that another entry can have elsewhere")


def check_names(names: Collection[str]) -> None:
    """Check that files of these names can stand in a container beside what is about them.

    Raises:
        ContainerError: one cannot, or two cannot stand beside each other.
    """
    for name in names:
        check_path(name)
        key = folded(name)
        if name.endswith("/") or key == MIMETYPE or f"{key}/".startswith(META_INF.casefold()):
            raise ContainerError(f"{name[:100]!r} cannot be the name of a file in a container")
    check_twins(names)


def check_name(name: str) -> None:
    """Check that a file of this name can stand in a container, in no folder.

    Raises:
        ContainerError: it cannot.
    """
    if "/" in name:
        raise ContainerError(f"{name[:100]!r} stands in a folder")
    check_names([name])


def folded(path: str) -> str:
    """Return what a path may become where names are compared loosely."""
    parts = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold()).removesuffix("/").split("/")
    return "/".join(part.rstrip(" .") or part for part in parts)
