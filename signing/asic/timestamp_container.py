"""ASiC-S with a timestamp: one file and the token over it, in a ZIP (ETSI EN 319 162-1, clause 4.3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO, Final

from signing.asic.paths import check_name
from signing.asic.ports import TIMESTAMP, Container, ContainerError
from signing.asic.reading import opened
from signing.asic.writing import write_entries
from signing.limits import LIMITS
from timestamping.algorithms import DigestAlgorithm

_CHUNK: Final = 1 << 20


def write_container(document: BinaryIO, name: str, token: bytes, moment: datetime, output: BinaryIO) -> None:
    """Write a container: `mimetype` first and stored, the file as it is, the token.

    Args:
        document: the file, seekable.
        name: the file's name in the container.
        token: DER of the timestamp over the file's octets.
        moment: written as the time of all entries.
        output: empty and seekable.

    Raises:
        ContainerError: the name is reserved, or no name of a file, or the file is too large.
    """
    check_name(name)
    write_entries(Container.ASIC_S, [(name, document), (TIMESTAMP, token)], moment, output)


@contextmanager
def opened_container(container: BinaryIO) -> Iterator[tuple[str, BinaryIO, bytes]]:
    """Give the name and the octets of the file in a container, and its token.

    Raises:
        ContainerError: it is no ASiC-S with one file and a timestamp, also where that is seen while the file is read.
    """
    held = opened(container)
    names = [each.name for each in held.others]
    if held.container is not Container.ASIC_S or names != [TIMESTAMP] or held.signatures:
        raise ContainerError("it is no ASiC-S of mimetype, one file and META-INF/timestamp.tst")
    token = held.others[0].stream.read(LIMITS.container_token_bytes + 1)
    if len(token) > LIMITS.container_token_bytes:
        raise ContainerError("its timestamp is too large")
    (file,) = held.files
    yield file.name, file.stream, token


def digest_of(file: BinaryIO, algorithm: DigestAlgorithm) -> bytes:
    """Return the digest of a file from its present position to its end."""
    running = algorithm.new()
    while chunk := file.read(_CHUNK):
        running.update(chunk)
    return running.digest()
