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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json import dumps, loads
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

from timestamping.authority.clock.changes import ClockChange, encode_change
from timestamping.authority.ports import ClockSnapshot, Decision, RecordFailedError
from timestamping.clock import Clock, utc_now

FILE_BYTES = 64 * 1024 * 1024
"""A file that has reached this size, or is of another day (UTC), is followed by a new one."""
MAX_LINE_BYTES = 1024 * 1024
MAX_TEXT = 256
"""Characters, and below octets and bits, of one field: what a query has beyond them is refused, and not kept."""
MAX_OCTETS = 64
MAX_BITS = 256
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
    digest: str
    """SHA-256 of the last line that is durable."""


class FileDecisionLog:
    """Appends decisions to files of its own in a directory; for use on one event loop."""

    def __init__(self, directory: Path, *, file_bytes: int = FILE_BYTES, clock: Clock = utc_now) -> None:
        """Cut torn records that killed processes left, and begin a file.

        Args:
            directory: made if it is missing; several processes may share it.
            file_bytes: size from which a file is followed by another.
            clock: names the files, and says when a day is over.

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
        done: asyncio.Future[None] = loop.create_future()
        if not self._pending:
            loop.call_soon(self._commit)
        self._pending.append((bodies, done))
        await done

    def close(self) -> None:
        """Close the file; what was appended is durable already."""
        file, self._file = self._file, None
        if file is not None:
            self._previous = (file.path.name, file.digest)
            os.close(file.descriptor)

    def _commit(self) -> None:
        """Write everything that waits, in one piece, and make it durable."""
        waiting, self._pending = self._pending, []
        failure: RecordFailedError | None = None
        try:
            self._write([body for bodies, _ in waiting for body in bodies])
        except Exception as error:  # noqa: BLE001 - whoever waits must be told, whatever went wrong
            failure = RecordFailedError(f"decisions cannot be recorded in {self._directory}: {error}")
            failure.__cause__ = error
        for _, done in waiting:
            if done.cancelled():
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    def _write(self, bodies: Sequence[str]) -> None:
        file = self._file
        if file is not None and (file.size >= self._file_bytes or file.day != f"{self._clock():%Y%m%d}"):
            self.close()
            file = None
        if file is None:
            file = self._file = self._begin()
        digest = file.digest
        lines = []
        for body in bodies:
            line = f'{{"chain":"{digest}",{body}}}\n'.encode("ascii")
            digest = hashlib.sha256(line).hexdigest()
            lines.append(line)
        data = b"".join(lines)
        try:
            _write_all(file.descriptor, data)
        except BaseException:
            self._give_up(file, file.size + len(data), digest, ends=False)
            raise
        try:
            os.fdatasync(file.descriptor)
        except BaseException:
            # what is on the disk is not known, also not after another try: another file follows
            self._give_up(file, file.size + len(data), digest, ends=True)
            raise
        file.size += len(data)
        file.digest = digest

    def _give_up(self, file: _File, end: int, digest: str, *, ends: bool) -> None:
        """Take back a write that failed; where that fails too, go on in another file, behind what is there.

        `end` and `digest` are those of a write that succeeded: a file that has that size holds its lines.
        """
        if _cut_back(file):
            if ends:
                self.close()
            return
        try:
            if os.fstat(file.descriptor).st_size == end:
                file.digest = digest
        except OSError as error:
            _log.error("%s cannot be looked at: %s", file.path, error)
        self.close()

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
            "begun": _moment(now),
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
        return _File(descriptor, path, f"{now:%Y%m%d}", len(line), hashlib.sha256(line).hexdigest())


def encode(decision: Decision) -> str:
    """Return the members of a decision's JSON object, in a fixed order, without the braces."""
    caller = decision.caller
    return (
        f'"received_at":{_time(decision.received_at)},"decided_at":{_time(decision.decided_at)},'
        f'"client":{_text(caller.client_id)},"address":{_text(caller.address)},'
        f'"reference":{_text(caller.reference)},"query_octets":{decision.query_octets},'
        f'"imprint_algorithm":{_text(decision.imprint_algorithm)},"imprint":{_hex(decision.imprint)},'
        f'"policy_asked":{_text(decision.policy_asked)},"nonce":{_number(decision.nonce)},'
        f'"certificates_asked":{_truth(decision.certificates_asked)},'
        f'"extensions_asked":{_truth(decision.extensions_asked)},"fail_info":{_text(decision.fail_info)},'
        f'"serial_number":{_number(decision.serial_number)},"gen_time":{_time(decision.gen_time)},'
        f'"policy":{_text(decision.policy)},"unit":{_text(decision.unit)},'
        f'"clock":{_snapshot(decision.snapshot)},"signing_seconds":{_seconds(decision.signing_seconds)},'
        f'"token_sha256":{_hex(decision.token_sha256)}'
    )


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


def _moment(moment: datetime) -> str:
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def _time(moment: datetime | None) -> str:
    return "null" if moment is None else f'"{_moment(moment)}"'


def _text(text: str | None) -> str:
    return "null" if text is None else quoted(text[:MAX_TEXT])


def _hex(octets: bytes | None) -> str:
    return "null" if octets is None else f'"{octets[:MAX_OCTETS].hex()}"'


def _number(number: int | None) -> str:
    if number is None:
        return "null"
    return f'"{number:x}"' if number.bit_length() <= MAX_BITS else '"too long"'


def _truth(truth: bool | None) -> str:
    return "null" if truth is None else "true" if truth else "false"


def _seconds(seconds: float | None) -> str:
    return "null" if seconds is None else f"{seconds:.6f}"


@lru_cache(maxsize=8)
def _snapshot(snapshot: ClockSnapshot | None) -> str:
    """Encode a snapshot, which stays the same for many decisions."""
    if snapshot is None:
        return "null"
    return (
        f'{{"number":{snapshot.number},"state":{quoted(snapshot.state)},'
        f'"offset_seconds":{_seconds(snapshot.offset_seconds)},"error_seconds":{_seconds(snapshot.error_seconds)},'
        f'"checked_at":{_time(snapshot.checked_at)}}}'
    )
