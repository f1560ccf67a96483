"""ASiC-S with a timestamp: one file and the token over it, in a ZIP (ETSI EN 319 162-1, clause 4.3)."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO, ClassVar, Final

from signing.ports import DocumentError
from timestamping.algorithms import DigestAlgorithm

MEDIA_TYPE: Final = "application/vnd.etsi.asic-s+zip"
MIMETYPE: Final = "mimetype"
TIMESTAMP: Final = "META-INF/timestamp.tst"
MOST_TOKEN_BYTES: Final = 1024 * 1024
"""Largest timestamp that is read from a container."""
_CHUNK: Final = 1 << 20


class ContainerError(DocumentError):
    """The container is no ASiC-S with one file and a timestamp, or the file cannot stand in one."""

    code: ClassVar[str] = "ASIC_CONTAINER_INVALID"
    remedy: ClassVar[str] = "Use an ASiC-S container with one file and META-INF/timestamp.tst, or another file name."


def write_container(document: BinaryIO, name: str, token: bytes, moment: datetime, output: BinaryIO) -> None:
    """Write a container: `mimetype` first and stored, the file as it is, the token.

    Args:
        document: the file, seekable.
        name: the file's name in the container.
        token: DER of the timestamp over the file's octets.
        moment: written as the time of all entries.
        output: empty and seekable.

    Raises:
        ContainerError: the name is reserved, or no name of a file.
    """
    check_name(name)
    stamp = moment.timetuple()[:6]
    document.seek(0)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr(_entry(MIMETYPE, stamp), MEDIA_TYPE)
        size = document.seek(0, os.SEEK_END)
        document.seek(0)
        with archive.open(_entry(name, stamp), "w", force_zip64=size >= zipfile.ZIP64_LIMIT) as file:
            while chunk := document.read(_CHUNK):
                file.write(chunk)
        archive.writestr(_entry(TIMESTAMP, stamp), token)


def check_name(name: str) -> None:
    """Check that a file of this name can stand in a container.

    Raises:
        ContainerError: it cannot.
    """
    reserved = name.casefold() in (MIMETYPE, "meta-inf", ".", "..")
    if reserved or not name or not name.isprintable() or "/" in name or "\\" in name or len(name.encode()) > 255:
        raise ContainerError(f"{name[:100]!r} cannot be the name of the file in a container")


@contextmanager
def opened_container(container: BinaryIO) -> Iterator[tuple[str, BinaryIO, bytes]]:
    """Give the name and the octets of the file in a container, and its token.

    Raises:
        ContainerError: it is no ASiC-S with one file and a timestamp.
    """
    try:
        with zipfile.ZipFile(container) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            files = [name for name in names if name not in (MIMETYPE, TIMESTAMP)]
            if names[:1] != [MIMETYPE] or names.count(TIMESTAMP) != 1 or len(files) != 1 or len(names) != 3:
                raise ContainerError("it has other entries than mimetype, one file and META-INF/timestamp.tst")
            if entries[0].compress_type != zipfile.ZIP_STORED or entries[0].file_size != len(MEDIA_TYPE):
                raise ContainerError("its first entry is not the stored media type")
            if archive.read(MIMETYPE) != MEDIA_TYPE.encode():
                raise ContainerError(f"its media type is not {MEDIA_TYPE}")
            check_name(files[0])
            if archive.getinfo(TIMESTAMP).file_size > MOST_TOKEN_BYTES:
                raise ContainerError("its timestamp is too large")
            token = archive.read(TIMESTAMP)
            with archive.open(files[0]) as file:
                yield files[0], file, token  # type: ignore[misc]  # IO[bytes] has all that BinaryIO needs here
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ContainerError(f"it is no ZIP that can be read: {error}") from error


def digest_of(file: BinaryIO, algorithm: DigestAlgorithm) -> bytes:
    """Return the digest of a file from its present position to its end."""
    running = algorithm.new()
    while chunk := file.read(_CHUNK):
        running.update(chunk)
    return running.digest()


def _entry(name: str, stamp: tuple[int, ...]) -> zipfile.ZipInfo:
    year, month, day, hour, minute, second = stamp
    entry = zipfile.ZipInfo(name, (max(year, 1980), month, day, hour, minute, second))
    entry.compress_type = zipfile.ZIP_STORED
    entry.external_attr = 0o644 << 16
    return entry
