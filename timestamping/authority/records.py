"""The record of every decision, in files that only grow (EN 319 421, clause 7.12; ADR 0008).

A file belongs to one process. It holds one record a line, as JSON; each line carries the SHA-256 of the line before
it, so that nothing can be changed, taken out or put in between unnoticed. The first line names the file before it of
the same process. Callers that wait at the same time share one write and one `fdatasync`.
"""

import asyncio
import fcntl
import hashlib
import logging
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from json import dumps, loads
from pathlib import Path
from typing import Any

from timestamping.authority.clock.changes import ClockChange, encode_change
from timestamping.authority.ports import Decision, RecordFailedError
from timestamping.authority.record_lines import encode, moment_text
from timestamping.authority.sync import FileSync, file_sync
from timestamping.clock import Clock, utc_now

FILE_BYTES = 64 * 1024 * 1024
"""A file that has reached this size, or is of another day (UTC), is followed by a new one."""
MAX_LINE_BYTES = 1024 * 1024
FORMAT = "fts-tsa-records-1"
_START = bytes(32).hex()
_NAME = re.compile(r"decisions-\d{8}T\d{6}Z-[0-9a-f]{16}-\d{6}\.jsonl")
_log = logging.getLogger(__name__)


class RecordsDamagedError(ValueError):
    """A file of records is not as it was written; the message names the file and the line."""

    code = "TSA_RECORDS_DAMAGED"
    remedy = "Compare with a backup; treat what is missing or changed as an incident."


@dataclass
class _File:
    descriptor: int
    path: Path
    day: str
    size: int
    """Octets that are durable."""
    digest: str
    """SHA-256 of the last line that is durable."""
    end: int
    """Octets that are written."""
    tail: str
    """SHA-256 of the last line that is written."""


class FileDecisionLog:
    """Appends decisions to files of its own in a directory; for use on one event loop."""

    def __init__(
        self,
        directory: Path,
        *,
        file_bytes: int = FILE_BYTES,
        clock: Clock = utc_now,
        sync: Callable[[], FileSync] = file_sync,
    ) -> None:
        """Cut torn records that killed processes left, and begin a file.

        Args:
            directory: made if it is missing; several processes may share it.
            file_bytes: size from which a file is followed by another.
            clock: names the files, and says when a day is over.
            sync: makes what syncs the files.

        Raises:
            RecordFailedError: the directory cannot be written.
        """
        self._directory = directory
        self._file_bytes = file_bytes
        self._clock = clock
        self._writer = secrets.token_hex(8)
        self._number = 0
        self._previous = ("", _START)
        self._file: _File | None = None
        self._pending: list[tuple[list[str], asyncio.Future[None]]] = []
        self._written: list[asyncio.Future[None]] = []
        self._syncing: list[asyncio.Future[None]] = []
        self._sync = sync()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            cut_torn_records(directory)
            self._file = self._begin()
        except OSError as error:
            raise RecordFailedError(f"decisions cannot be recorded in {directory}: {error}") from error

    async def append(self, decisions: Sequence[Decision]) -> None:
        """Record decisions; return when they are durable (see `DecisionLog`)."""
        await self._appended([encode(decision) for decision in decisions])

    async def append_change(self, change: ClockChange) -> None:
        """Record a change of the clock's state, in the same chain; return when it is durable.

        Raises:
            RecordFailedError: it is not recorded.
        """
        await self._appended([encode_change(change)])

    async def _appended(self, bodies: list[str]) -> None:
        loop = asyncio.get_running_loop()
        if self._syncing and self._syncing[0].get_loop() is not loop:
            self._settle()  # the loop that waited for the disk has ended
        done: asyncio.Future[None] = loop.create_future()
        if not self._pending:
            loop.call_soon(self._commit)
        self._pending.append((bodies, done))
        await done

    def close(self) -> None:
        """Make durable what is written, tell who waits for it, and close the file."""
        self._end_file()
        self._sync.close()

    def _end_file(self) -> None:
        self._settle()
        file, self._file = self._file, None
        if file is not None:
            self._previous = (file.path.name, file.digest)
            os.close(file.descriptor)

    def _commit(self) -> None:
        """Write everything that waits, in one piece, and have it synced."""
        waiting, self._pending = self._pending, []
        callers = [done for _, done in waiting]
        try:
            self._write([body for bodies, _ in waiting for body in bodies])
        except Exception as error:  # noqa: BLE001 - whoever waits must be told, whatever went wrong
            self._tell(callers, error)
            return
        self._written += callers
        self._start_sync()

    def _write(self, bodies: Sequence[str]) -> None:
        file = self._file
        if file is not None and (file.end >= self._file_bytes or file.day != f"{self._clock():%Y%m%d}"):
            self._end_file()
        if self._file is None:
            self._file = self._begin()
        file = self._file
        digest = file.tail
        lines = []
        for body in bodies:
            line = f'{{"chain":"{digest}",{body}}}\n'.encode("ascii")
            digest = hashlib.sha256(line).hexdigest()
            lines.append(line)
        data = b"".join(lines)
        try:
            _write_all(file.descriptor, data)
        except BaseException:
            self._settle()
            if self._file is file:
                self._give_up(file, file.size + len(data), digest, ends=False)
            raise
        file.end += len(data)
        file.tail = digest

    def _start_sync(self) -> None:
        """Sync once for all that is written; what is written meanwhile waits for the next one.

        Two syncs of a file at the same time would not both hear of an error of the disk.
        """
        file = self._file
        if self._syncing or not self._written or file is None:
            return
        self._syncing, self._written = self._written, []
        synced = partial(self._synced, file, file.end, file.tail)
        try:
            self._sync.start(file.descriptor, synced)
        except Exception as error:  # noqa: BLE001 - whoever waits must be told
            synced(error)

    def _synced(self, file: _File, end: int, tail: str, error: Exception | None) -> None:
        callers, self._syncing = self._syncing, []
        if error is None:
            file.size, file.digest = end, tail
            self._tell(callers)
            self._start_sync()
            return
        # what is on the disk is not known, also not after another try: another file follows
        callers, self._written = callers + self._written, []
        self._give_up(file, file.end, file.tail, ends=True)
        self._tell(callers, error)

    def _settle(self) -> None:
        """Keep the loop until all that is written is durable, or given up, and its callers know."""
        while self._syncing:
            self._sync.wait()

    def _tell(self, callers: Sequence[asyncio.Future[None]], error: Exception | None = None) -> None:
        for done in callers:
            if done.cancelled():
                continue
            if error is None:
                done.set_result(None)
            else:
                failure = RecordFailedError(f"decisions cannot be recorded in {self._directory}: {error}")
                failure.__cause__ = error
                done.set_exception(failure)

    def _give_up(self, file: _File, end: int, digest: str, *, ends: bool) -> None:
        """Take back a write that failed; where that fails too, go on in another file, behind what is there.

        `end` and `digest` are those of a write that succeeded: a file that has that size holds its lines.
        """
        if _cut_back(file):
            file.end, file.tail = file.size, file.digest
            if ends:
                self._end_file()
            return
        try:
            if os.fstat(file.descriptor).st_size == end:
                file.digest = digest
        except OSError as error:
            _log.error("%s cannot be looked at: %s", file.path, error)
        self._end_file()

    def _begin(self) -> _File:
        now = self._clock()
        path = self._directory / f"decisions-{now:%Y%m%dT%H%M%SZ}-{self._writer}-{self._number:06}.jsonl"
        before, digest = self._previous
        head = {
            "chain": digest,
            "format": FORMAT,
            "writer": self._writer,
            "number": self._number,
            "node": socket.gethostname(),
            "process": os.getpid(),
            "begun": moment_text(now),
            "file_before": before,
        }
        line = dumps(head, separators=(",", ":")).encode("ascii") + b"\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _write_all(descriptor, line)
            os.fsync(descriptor)
            _sync_directory(self._directory)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        self._number += 1
        digest = hashlib.sha256(line).hexdigest()
        return _File(descriptor, path, f"{now:%Y%m%d}", len(line), digest, len(line), digest)


def read_records(directory: Path) -> Iterator[dict[str, Any]]:
    """Go through the decisions in all files of a directory (see `read_everything`)."""
    return (record for record in read_everything(directory) if "kind" not in record)


def read_everything(directory: Path) -> Iterator[dict[str, Any]]:
    """Go through all files of a directory and check each one's chain; heads are left out.

    A change of the clock's state has a member `kind`, a decision has none.

    A record that a killed process left unfinished is not a record: it is passed over with a sentence in the log.

    Raises:
        RecordsDamagedError: a line was changed, taken out or put in, or a file is missing between two of its process.
        OSError: a file cannot be read.
    """
    ends: dict[str, tuple[str, str]] = {}
    for path in sorted(_files(directory), key=lambda each: each.name.split("-")[2:]):
        yield from _read_file(path, ends)


def _read_file(path: Path, ends: dict[str, tuple[str, str]]) -> Iterator[dict[str, Any]]:
    with path.open("rb") as stream:
        digest, writer = "", ""
        number = 0
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) == MAX_LINE_BYTES:
                    raise RecordsDamagedError(f"{path}, line {number}: longer than a record can be")
                _log.warning("%s ends in an unfinished record of %d octets, which is passed over.", path, len(line))
                break
            record = _record(path, number, line)
            if number == 1:
                writer = _check_head(path, record, ends)
            elif record.pop("chain", None) != digest:
                raise RecordsDamagedError(f"{path}, line {number}: does not follow the line before it")
            else:
                yield record
            digest = hashlib.sha256(line).hexdigest()
        if writer:
            ends[writer] = (path.name, digest)
        else:
            _log.warning("%s has no head: its process was killed before its first record, or it was emptied.", path)


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordsDamagedError(f"{path}, line {number}: no JSON") from error
    if not isinstance(record, dict):
        raise RecordsDamagedError(f"{path}, line {number}: no record")
    return record


def _check_head(path: Path, head: dict[str, Any], ends: dict[str, tuple[str, str]]) -> str:
    writer = str(head.get("writer"))
    if head.get("format") != FORMAT:
        raise RecordsDamagedError(f"{path}, line 1: no head of a file of records")
    if (head.get("file_before"), head.get("chain")) != ends.get(writer, ("", _START)):
        raise RecordsDamagedError(f"{path}, line 1: does not follow the file before it of the same process")
    return writer


def cut_torn_records(directory: Path) -> None:
    """Cut an unfinished last record off every file whose writer is gone, with a sentence in the log.

    Raises:
        OSError: a file cannot be read or cut.
    """
    for path in _files(directory):
        with path.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            size = stream.seek(0, os.SEEK_END)
            good = _end_of_last_line(stream, size)
            if good < size:
                with path.open("r+b") as torn:
                    torn.truncate(good)
                    os.fsync(torn.fileno())
                _log.warning(
                    "%s ended in an unfinished record of %d octets, whose process was killed; it was cut off.",
                    path,
                    size - good,
                )


def _end_of_last_line(stream: Any, size: int) -> int:
    """A tail longer than a record can be is no unfinished record: it is left for `read_records` to find."""
    start = max(0, size - MAX_LINE_BYTES)
    stream.seek(start)
    at = int(stream.read().rfind(b"\n"))
    return size if at < 0 and start else start + at + 1


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if _NAME.fullmatch(path.name)]


def _cut_back(file: _File) -> bool:
    try:
        os.ftruncate(file.descriptor, file.size)
        os.fdatasync(file.descriptor)
    except OSError as error:
        _log.error("%s could not be cut back to its last durable record: %s", file.path, error)
        return False
    return True


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
