"""Byte ranges: what a signature in a PDF covers, and the digests over it (ISO 32000-2, 12.8.1)."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from pyhanko.pdf_utils import generic

from signing.limits import LIMITS
from signing.pades.objects import entry
from timestamping.algorithms import DigestAlgorithm, RunningHash

_CHUNK = 1024 * 1024


class CoverageError(ValueError):
    """The byte range is not of the form that ISO 32000-2 and EN 319 142-1 prescribe; the message says how."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """From the start of the file to `end`, but for the /Contents between `gap_start` and `gap_end`."""

    gap_start: int
    gap_end: int
    end: int
    contents: bytes
    """What stands in the gap, decoded, with its zero padding."""

    @property
    def byte_range(self) -> tuple[int, int, int, int]:
        """The four numbers of /ByteRange."""
        return 0, self.gap_start, self.gap_end, self.end - self.gap_end


def read_coverage(stream: BinaryIO, value: generic.DictionaryObject) -> Coverage:
    """Read a signature dictionary's byte range and check it against the file.

    Raises:
        CoverageError: it does not start at zero, overlaps, exceeds the file, or leaves out more than /Contents.
    """
    size = stream.seek(0, os.SEEK_END)
    byte_range = entry(value, "/ByteRange")
    if not isinstance(byte_range, generic.ArrayObject) or len(byte_range) != 4:
        raise CoverageError("there is no byte range of two parts")
    if not all(isinstance(number, int) for number in byte_range):
        raise CoverageError("the byte range does not consist of integers")
    start, gap_start, gap_end, rest = (int(number) for number in byte_range)
    end = gap_end + rest
    if start != 0 or not 0 < gap_start < gap_end <= end <= size:
        raise CoverageError(f"the byte range {[int(n) for n in byte_range]} does not fit a file of {size} octets")
    if gap_end - gap_start > 2 * LIMITS.rewritten_bytes:
        raise CoverageError("the byte range leaves out too much")
    stream.seek(gap_start)
    gap = stream.read(gap_end - gap_start)
    if gap[:1] != b"<" or gap[-1:] != b">":
        raise CoverageError("the byte range leaves out something other than /Contents")
    try:
        contents = bytes.fromhex(gap[1:-1].decode("ascii"))
    except ValueError as error:
        raise CoverageError("the byte range leaves out more than a hexadecimal string") from error
    try:
        stated = value.raw_get("/Contents", decrypt=generic.EncryptedObjAccess.RAW)
    except KeyError as error:
        raise CoverageError("there is no /Contents") from error
    if not isinstance(stated, (generic.ByteStringObject, generic.TextStringObject)):
        raise CoverageError("/Contents is no string")
    octets = stated.original_bytes if isinstance(stated, generic.TextStringObject) else bytes(stated)
    if octets != contents:
        raise CoverageError("the byte range leaves out another string than the signature's /Contents")
    return Coverage(gap_start, gap_end, end, contents)


def digests(
    stream: BinaryIO, wanted: Iterable[tuple[Coverage, DigestAlgorithm]]
) -> dict[tuple[Coverage, DigestAlgorithm], bytes]:
    """Compute digests over several byte ranges of one file, reading its common beginning once per algorithm."""
    found: dict[tuple[Coverage, DigestAlgorithm], bytes] = {}
    buffer = memoryview(bytearray(_CHUNK))
    by_algorithm: dict[DigestAlgorithm, set[Coverage]] = {}
    for coverage, algorithm in wanted:
        by_algorithm.setdefault(algorithm, set()).add(coverage)
    for algorithm, coverages in by_algorithm.items():
        prefix, position = algorithm.new(), 0
        for coverage in sorted(coverages, key=lambda c: c.gap_start):
            _update(prefix, stream, position, coverage.gap_start, buffer)
            position = coverage.gap_start
            running = prefix.copy()
            _update(running, stream, coverage.gap_end, coverage.end, buffer)
            found[coverage, algorithm] = running.digest()
    return found


def _update(running: RunningHash, stream: BinaryIO, start: int, end: int, buffer: memoryview) -> None:
    stream.seek(start)
    left = end - start
    while left:
        count = stream.readinto(buffer[: min(left, _CHUNK)])  # type: ignore[attr-defined]
        if not count:
            raise CoverageError("the file ends early")
        running.update(buffer[:count])
        left -= count
