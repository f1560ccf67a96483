"""What a document process answers when a signature is finished."""

from fts.frames import Message
from signing.pades.report import DocumentReport
from signing.ports import Finished


def finished_json(finished: Finished, report: DocumentReport) -> Message:
    """Return what was made; times are ISO 8601 in UTC, the digest hexadecimal."""
    return {
        "level": finished.level,
        "size": finished.size,
        "sha256": report.sha256,
        "signed_at": finished.signed_at and finished.signed_at.isoformat(),
        "archived_at": finished.archived_at and finished.archived_at.isoformat(),
    }
