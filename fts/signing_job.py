"""Signing one file: prepared and finished in a document process, signed by the card in this one."""

import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fts.card import CardSigner
from fts.errors import RefusalError, file_refusal
from fts.process_pool import DocumentProcess
from signing.asic.ports import Container
from signing.ports import Level, Profile
from signing.xades.ports import Packaging

Announce = Callable[[str], None]

STEPS = {
    "inspect": "Inspecting the document",
    "prepare": "Preparing the signature",
    "pin": "Waiting for the PIN and the card",
    "timestamp": "Fetching the signature timestamp",
    "revocation": "Fetching revocation data",
    "archive": "Fetching the archive timestamp",
    "check": "Checking the signed document",
}
"""The steps that are announced, in their order, with words for a person."""


@dataclass(frozen=True, slots=True)
class SigningOrder:
    """What is to be signed and where the result goes."""

    document: Path
    destination: Path
    profile: Profile
    replace: bool = False
    """Whether a file at the destination may be replaced; never the document itself."""
    allow_rewrite: bool = True
    """Whether a damaged document may be rewritten first."""
    packaging: Packaging | None = None
    """Packaging of a XAdES signature; None for PAdES."""
    container: Container | None = None
    """The container into which the files go with their signature; a container as `document` gets another one."""
    beside: tuple[Path, ...] = ()
    """Further files for the container."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """That a document was rewritten before it was signed."""

    original_sha256: str
    rewritten_sha256: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """What was made."""

    path: Path
    level: Level
    size: int
    """Octets."""
    sha256: str
    signed_at: datetime | None
    """Time of the signature timestamp; None at level B."""
    rewrite: Rewrite | None


async def sign_file(
    order: SigningOrder, process: DocumentProcess, signer: CardSigner, announce: Announce = lambda _step: None
) -> Signed:
    """Sign a file. The destination appears complete or not at all.

    Raises:
        One of `fts.errors.CODED_ERRORS`: no signature could be made, or its result not be written.
    """
    profile, entry = order.profile, signer.entry
    check_destination(order)
    prepared = await process.call(
        {
            "task": "prepare",
            "document": str(order.document),
            "allow_rewrite": order.allow_rewrite,
            "certificates": [der.hex() for der in (entry.der, *entry.chain)],
            "level": profile.level,
            "digest": profile.digest,
            "archive_digest": profile.archive_digest,
            "rsa_pss": profile.rsa_pss,
            "packaging": order.packaging,
            "container": order.container,
            "beside": [str(path) for path in order.beside],
        },
        announce,
    )
    async with _new_file(order) as temporary:
        announce("pin")
        value = await signer.sign(bytes.fromhex(prepared["digest"]), profile.digest)
        finished = await process.call({"task": "finish", "signature": value.hex(), "output": str(temporary)}, announce)
    signed_at, repair = finished["signed_at"], prepared["repair"]
    return Signed(
        path=order.destination,
        level=Level(finished["level"]),
        size=finished["size"],
        sha256=finished["sha256"],
        signed_at=datetime.fromisoformat(signed_at) if signed_at else None,
        rewrite=Rewrite(repair["original_sha256"], repair["rewritten_sha256"], tuple(repair["findings"]))
        if repair
        else None,
    )


def check_destination(order: SigningOrder) -> None:
    """Check, before anything is asked of a person, that the result can go where it shall.

    Raises:
        RefusalError: OUTPUT_EXISTS or OUTPUT_UNWRITABLE.
    """
    path = order.destination
    try:
        for document in (order.document, *order.beside):
            if path.exists() and document.exists() and path.samefile(document):
                raise RefusalError(
                    "OUTPUT_EXISTS", f"{path} is the document itself", "Choose another path for the result."
                )
        if path.is_dir():
            raise RefusalError("OUTPUT_UNWRITABLE", f"{path} is a directory", "Give the path of a file for the result.")
        if not order.replace and os.path.lexists(path):
            raise _exists(path)
    except OSError as error:
        raise file_refusal("OUTPUT_UNWRITABLE", error, str(path)) from error


@asynccontextmanager
async def _new_file(order: SigningOrder) -> AsyncIterator[Path]:
    """Give an empty file beside the destination, which takes its place at the end, or nothing on an error.

    Whoever fills the file also synchronises it to the disk.
    """
    path = order.destination
    temporary = path.parent / f".fts-{secrets.token_hex(8)}.tmp"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
    except OSError as error:
        raise file_refusal("OUTPUT_UNWRITABLE", error, str(path)) from error
    try:
        yield temporary
        _move(temporary, path, replace=order.replace)
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
