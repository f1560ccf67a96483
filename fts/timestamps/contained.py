"""What an ASiC-S container with a timestamp holds: the token, and the digests of the file that it is over."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from fts.errors import file_refusal
from timestamping.algorithms import DigestAlgorithm

_CHUNK: Final = 1024 * 1024
ZIP: Final = b"PK"
"""How a container begins."""


@dataclass(frozen=True, slots=True)
class Contained:
    """The parts of a container."""

    name: str
    """Of the file."""
    token: bytes
    digests: dict[DigestAlgorithm, bytes]
    """Of the file, by every algorithm."""


def read_contained(path: Path) -> Contained:
    """Read a container.

    Raises:
        ContainerError: it is no ASiC-S with one file and a timestamp, or damaged.
        RefusalError: TIMESTAMP_FILE, it cannot be read.
    """
    from signing.asic.timestamp_container import opened_container  # noqa: PLC0415 - only containers need it

    try:
        with path.open("rb") as stream, opened_container(stream) as (name, file, token):
            return Contained(name, token, digests_of(file))
    except OSError as error:
        raise file_refusal("TIMESTAMP_FILE", error, str(path)) from error


def digests_of(stream: BinaryIO) -> dict[DigestAlgorithm, bytes]:
    """Return the digests of a stream from its present position to its end, by every algorithm."""
    running = {each: each.new() for each in DigestAlgorithm}
    while chunk := stream.read(_CHUNK):
        for each in running.values():
            each.update(chunk)
    return {each: hash_.digest() for each, hash_ in running.items()}
