"""Signing one file: prepared and finished in a document process, signed by the card in this one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fts.card import CardSigner
from fts.process_pool import DocumentProcess
from fts.result_file import check_destination, new_file
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
    """Further files for the container, or for the XAdES signature."""

    def names(self) -> list[str]:
        """Return the names by which the signature refers to the documents.

        That is how a reader finds them: a signature file that is beside or above a document names it by its path from
        there. An enveloped signature refers to its document without a name.
        """
        if self.packaging is Packaging.ENVELOPED:
            return ["document" for _ in (self.document, *self.beside)]
        folder = self.destination.parent.resolve()
        names = []
        for document in (self.document, *self.beside):
            path = document.parent.resolve() / document.name
            is_below = self.packaging is not None and self.packaging.is_detached and path.is_relative_to(folder)
            names.append(path.relative_to(folder).as_posix() if is_below else document.name)
        return names


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
    check_order(order)
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
            "names": order.names(),
        },
        announce,
    )
    async with new_file(order.destination, replace=order.replace) as temporary:
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


def check_order(order: SigningOrder) -> None:
    """Check, before anything is asked of a person, that the result can go where it shall.

    Raises:
        RefusalError: OUTPUT_EXISTS or OUTPUT_UNWRITABLE.
    """
    check_destination(order.destination, (order.document, *order.beside), replace=order.replace)
