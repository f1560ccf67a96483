"""New files that are written beside whoever makes their content: encrypting, copying and the disk work at once."""

import contextlib
import io
import os
import queue
import threading
from pathlib import Path
from typing import BinaryIO, Final, cast

_BESIDE: Final = 4 << 20
"""A file of fewer octets is written in line: it is not worth a thread."""
_STEP: Final = 8 << 20
"""After so many octets the kernel is told to bring them to the disk."""
_WAITING: Final = 4
"""Pieces that may wait for the thread; whoever writes then waits for it."""


class _Writing:
    """What the thread works on; it knows nothing of the stream, so that a forgotten stream is closed all the same."""

    def __init__(self, file: io.FileIO) -> None:
        self.file = file
        self.size = 0
        self._begun = 0
        self.pieces: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self.error: OSError | None = None

    def work(self) -> None:
        """Write until the end, or until the disk refuses; then nothing that is given any more is waited for."""
        while (piece := self.pieces.get()) is not None:
            try:
                self.put(piece)
            except OSError as error:
                self.error = error
                with contextlib.suppress(queue.Empty):
                    while True:
                        self.pieces.get_nowait()
                return

    def put(self, piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            written = self.file.write(rest)
            self.size += written
            rest = rest[written:]
        if self.size - self._begun >= _STEP:
            # for pages that are not on the disk this advice begins their writing, and waits for nothing
            with contextlib.suppress(OSError):
                os.posix_fadvise(self.file.fileno(), self._begun, self.size - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = self.size


class _Spool(io.RawIOBase):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._writing = _Writing(io.FileIO(path, "xb"))
        self._thread: threading.Thread | None = None

    def writable(self) -> bool:
        return True

    def write(self, octets: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        writing, piece = self._writing, bytes(octets)
        if writing.error is not None:
            raise writing.error
        if self._thread is None and writing.size + len(piece) < _BESIDE:
            writing.put(piece)
            return len(piece)
        if self._thread is None:
            self._thread = threading.Thread(target=writing.work, name="spool", daemon=True)
            self._thread.start()
        writing.pieces.put(piece)
        return len(piece)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        try:
            if self._thread is not None:
                self._writing.pieces.put(None)
                self._thread.join()
            if self._writing.error is not None:
                raise self._writing.error
        finally:
            self._writing.file.close()


def new_file(path: Path) -> BinaryIO:
    """Make a file that is written once from its beginning; it is whole when it is closed.

    Writing and closing raise OSError where the disk refuses what was given before.

    Raises:
        OSError: the file is there already, or cannot be made.
    """
    return cast(BinaryIO, _Spool(path))
