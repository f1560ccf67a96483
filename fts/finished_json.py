"""What a document process answers when a signature is finished."""

from collections.abc import Iterator

from fts.frames import Message
from signing.pades.report import DocumentReport, TimestampReport
from signing.ports import Finished


def finished_json(finished: Finished, report: DocumentReport) -> Message:
    """Return what was made; times are ISO 8601 in UTC, the digest and the serial numbers of tokens hexadecimal."""
    return {
        "level": finished.level,
        "size": finished.size,
        "sha256": report.sha256,
        "signed_at": finished.signed_at and finished.signed_at.isoformat(),
        "archived_at": finished.archived_at and finished.archived_at.isoformat(),
        "timestamps": [
            {
                "at": token.gen_time.isoformat(),
                "authority": token.authority,
                "serial_number": f"{token.serial_number:x}",
            }
            for token in _tokens(report)
            if token.gen_time is not None
            and token.serial_number is not None
            and token.gen_time in {finished.signed_at, finished.archived_at}
        ],
    }


def _tokens(report: DocumentReport) -> Iterator[TimestampReport]:
    for signature in report.signatures:
        yield from signature.timestamps
    yield from report.archive_timestamps
