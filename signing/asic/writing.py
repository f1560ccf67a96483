"""Writing an ASiC container (EN 319 162-1, annex A.1).

All entries are stored, not deflated: most files that are signed are compressed already, a reader reaches any place of a
file without decompressing, and no file that compresses well can look like a decompression bomb.
"""

import os
import shutil
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import BinaryIO, Final

from signing.asic.ports import MIMETYPE, Container, ContainerTooLargeError
from signing.limits import LIMITS

_CHUNK: Final = 1 << 20
_FIRST_YEAR: Final = 1980
_HEADERS: Final = 256
"""Octets that an entry takes in the container beside its content and twice its name, at most."""


def write_entries(
    container: Container, entries: Iterable[tuple[str, bytes | BinaryIO]], moment: datetime, output: BinaryIO
) -> int:
    """Write a container: `mimetype` first and stored, then the entries, copied piece by piece.

    Args:
        container: its kind.
        entries: names and contents; names must have been checked (`signing.asic.paths`).
        moment: written as the time of all entries, in UTC.
        output: empty and seekable.

    Returns:
        Octets of the container.

    Raises:
        ContainerTooLargeError: it would be larger than a container that is read, or have more entries.
    """
    stamp = moment.astimezone(UTC).timetuple()[:6]
    count, total = 1, _HEADERS
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        archive.writestr(_entry(MIMETYPE, stamp), container.media_type)
        for name, content in entries:
            count += 1
            total += len(content) if isinstance(content, bytes) else content.seek(0, os.SEEK_END)
            total += _HEADERS + 2 * len(name.encode())
            if count > LIMITS.container_entries or total > LIMITS.container_bytes:
                raise ContainerTooLargeError(
                    f"the container would have more than {LIMITS.container_bytes} octets "
                    f"or {LIMITS.container_entries} entries"
                )
            with archive.open(_entry(name, stamp), "w") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    content.seek(0)
                    shutil.copyfileobj(content, file, _CHUNK)
    return output.seek(0, os.SEEK_END)


def _entry(name: str, stamp: tuple[int, ...]) -> zipfile.ZipInfo:
    year, month, day, hour, minute, second = stamp
    entry = zipfile.ZipInfo(name, (max(year, _FIRST_YEAR), month, day, hour, minute, second))
    entry.compress_type = zipfile.ZIP_STORED
    entry.external_attr = 0o100644 << 16
    return entry
