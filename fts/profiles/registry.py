"""All profiles of the installation: their names, the checked profiles, and the type for what clients write."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ValidationError, WithJsonSchema

from fts.errors import RefusalError
from fts.profiles.model import NamedProfile

FOLDER: Final = Path(__file__).parent

NAMES: Final = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))
"""The names of all profiles."""


def _known(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"is none of {', '.join(NAMES)}")
    return name


ProfileName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(NAMES)})]
"""The name of a profile, where a client writes one."""


@cache
def profiles() -> Mapping[str, NamedProfile]:
    """Return the profiles of the tree by their names.

    Raises:
        RefusalError: PROFILE_INVALID, a file is broken or contradicts itself.
    """
    return load(FOLDER)


def named(name: str) -> NamedProfile:
    """Return a profile (errors as `profiles`).

    Raises:
        RefusalError: PROFILE_INVALID, there is none of that name.
    """
    try:
        return profiles()[name]
    except KeyError:
        raise _invalid(name, "there is no file of it") from None


def load(folder: Path) -> Mapping[str, NamedProfile]:
    """Read the profiles of a folder.

    Raises:
        RefusalError: PROFILE_INVALID, with every fault of the first file that has one.
    """
    found = {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}
    if not found:
        raise _invalid(folder.name, "there is no profile (*.toml) in the folder")
    return found


def _read(path: Path) -> NamedProfile:
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _invalid(path.name, str(error)) from error
    try:
        return NamedProfile.model_validate({"name": path.stem, **values})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise _invalid(path.name, faults) from error


def _invalid(what: str, fault: str) -> RefusalError:
    return RefusalError("PROFILE_INVALID", f"{what}: {fault}", "Correct the file; docs/profiles.md has its members.")
