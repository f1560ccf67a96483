"""The octets of one ZIP entry as a seekable stream that never holds them (APPNOTE 6.3.9, clauses 4.4.5 and 5)."""

import io
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from signing.asic.ports import ContainerError

STORED: Final = 0
DEFLATED: Final = 8
_INPUT: Final = 64 * 1024
_BUFFER: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the central directory and its local header agree on it."""

    name: str
    method: int
    """`STORED` or `DEFLATED`."""
    crc: int
    compressed: int
    """Octets in the container."""
    size: int
    """Octets of the content."""
    start: int
    """Place of the first octet of the content in the container."""

    @property
    def is_folder(self) -> bool:
        """Whether it names a folder."""
        return self.name.endswith("/")


def open_entry(container: BinaryIO, entry: Entry, spend: Callable[[int], None]) -> BinaryIO:
    """Open an entry. Many may be open at a time; all of them move the container's own position.

    Reading raises ContainerError where the content is not what the directory says of it.

    Args:
        container: the container, seekable.
        entry: the entry.
        spend: told the number of octets of each reading; it may raise.
    """
    return io.BufferedReader(_EntryReader(container, entry, spend), _BUFFER)


class _EntryReader(io.RawIOBase):
    """Reads from the start on; to go back it begins anew. So every complete reading checks size and CRC."""

    def __init__(self, container: BinaryIO, entry: Entry, spend: Callable[[int], None]) -> None:
        self._container = container
        self._entry = entry
        self._spend = spend
        self._wanted = 0
        self._begin()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._wanted

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._wanted, os.SEEK_END: self._entry.size}[whence]
        if base + offset < 0:
            raise ValueError("negative position")
        self._wanted = base + offset
        return self._wanted

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        if self._wanted < self._at:
            self._begin()
        while self._at < self._wanted < self._entry.size:
            self._next(min(self._wanted - self._at, _INPUT))
        if self._wanted > self._at:
            return 0
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        self._wanted = self._at
        return len(data)

    def _begin(self) -> None:
        self._at = 0
        self._crc = 0
        self._taken = 0
        self._ended = False
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if self._entry.method == DEFLATED else None
        self._pending = b""

    def _next(self, most: int) -> bytes:
        """Return octets of the content, none at its end."""
        most = min(most, self._entry.size - self._at)
        data = b""
        if most:
            data = self._stored(most) if self._inflater is None else self._inflated(self._inflater, most)
            if not data:
                raise self._damaged("ends early")
        self._at += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if self._at == self._entry.size and not self._ended:
            self._check_end()
        self._spend(len(data))
        return data

    def _stored(self, most: int) -> bytes:
        return self._input(most)

    def _inflated(self, inflater: "zlib._Decompress", most: int) -> bytes:
        while not inflater.eof:
            if not self._pending:
                self._pending = self._input(_INPUT)
            given = self._pending
            try:
                data = inflater.decompress(given, most)
            except zlib.error as error:
                raise self._damaged(f"cannot be decompressed: {error}") from error
            self._pending = inflater.unconsumed_tail
            if data or not (given or self._pending):
                return data
        return b""

    def _check_end(self) -> None:
        self._ended = True
        inflater = self._inflater
        if inflater is not None:
            if self._inflated(inflater, 1):
                raise self._damaged("is larger than the directory says")
            if not inflater.eof or inflater.unused_data or self._pending:
                raise self._damaged("has other compressed octets than its content")
        if self._taken != self._entry.compressed:
            raise self._damaged("has more octets than its content")
        if self._crc != self._entry.crc:
            raise self._damaged("is not what its CRC says")

    def _input(self, most: int) -> bytes:
        most = min(most, self._entry.compressed - self._taken)
        self._container.seek(self._entry.start + self._taken)
        data = self._container.read(most)
        if len(data) != most:
            raise self._damaged("ends early")
        self._taken += len(data)
        return data

    def _damaged(self, what: str) -> ContainerError:
        return ContainerError(f"the entry {self._entry.name[:100]!r} {what}")
