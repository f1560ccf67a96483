"""Extending the signatures of one file to LTA, in a document process."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fts.process_pool import DocumentProcesses
from fts.result_file import check_destination, new_file
from fts.settings import Settings
from fts.verify_json import Json
from signing.ports import Level
from timestamping.algorithms import DigestAlgorithm


@dataclass(frozen=True, slots=True)
class ExtensionOrder:
    """What is to be extended and where the result goes."""

    document: Path
    destination: Path
    digest: DigestAlgorithm
    """Imprint algorithm of the new timestamps."""
    replace: bool = False
    """Whether a file at the destination may be replaced; never the document itself."""


@dataclass(frozen=True, slots=True)
class ExtendedFile:
    """What was made."""

    path: Path
    report: Json
    """The verification of it (`fts.verify_json`)."""
    archived_at: datetime
    """Time of the last archive timestamp."""

    @property
    def at_lta(self) -> list[Json]:
        """The signatures that are at LTA now."""
        return [each for each in self.report["signatures"] if each["level"] == Level.LTA]

    @property
    def left(self) -> list[Json]:
        """The signatures that are as they were, because they are not valid or of no baseline level."""
        return [each for each in self.report["signatures"] if each["level"] != Level.LTA]


async def extend_file(order: ExtensionOrder, settings: Settings) -> ExtendedFile:
    """Extend a file. The destination appears complete or not at all.

    Raises:
        One of `fts.errors.CODED_ERRORS`: a valid signature could not be brought to LTA, or the result not be written.
    """
    check_destination(order.destination, (order.document,), replace=order.replace)
    async with (
        DocumentProcesses(settings) as processes,
        processes.process() as process,
        new_file(order.destination, replace=order.replace) as temporary,
    ):
        made = await process.call(
            {
                "task": "extend",
                "document": str(order.document),
                "output": str(temporary),
                "digest": order.digest,
            },
            lambda _step: None,
        )
    return ExtendedFile(order.destination, made["report"], datetime.fromisoformat(made["archived_at"]))
