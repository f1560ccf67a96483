"""Writing archive files (FTS-AUD-2; ADR 7): what `archive_reading` reads, from the database.

A file is written under another name, brought to the disk, read back and verified, and then renamed: what has its name
is whole and sound. A run that was killed is carried on by the next. The same trail gives the same octets.
"""

import base64
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.archive_reading import (
    PARTIAL,
    PERSONAL,
    ROOTS,
    TRAIL,
    VERSION,
    After,
    Archived,
    ArchiveError,
    BadRecord,
    Reached,
    check_personal,
    days_of,
    file_of,
    read,
)
from fts.audit.archive_walk import Told, UnsoundError
from fts.audit.chain import plain_event
from fts.audit.checkpoints import Checkpoint
from fts.audit.models import chain, checkpoint, checkpoint_token, event, personal
from fts.audit.service import Actor, canonical, event_of, record
from fts.db.database import Database
from fts.errors import RefusalError, file_refusal
from fts.keyring import Keyring, KeyringError
from signing.trust.path import TrustAnchors

_SCRIPT: Final = Path(__file__).with_name("verify_archive.py")
_BATCH: Final = 2000
"""Links that are read at once."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the archive did."""

    written: int
    """Files."""
    last: Archived | None
    """The last file of the archive."""


async def archive(
    database: Database,
    keyring: Keyring,
    trust: list[x509.Certificate],
    until: date,
    directory: Path,
    now: datetime,
    actor: Actor,
    told: Told | None = None,
) -> Outcome:
    """Write the days before `until` that an archive does not have yet, and record that.

    Args:
        database: where the trail is.
        keyring: opens the personal parts, to compare them with their digests.
        trust: roots of the timestamping authorities.
        until: the first day that is left out (UTC); it may be today at the latest.
        directory: the archive; made where there is none.
        now: the time.
        actor: who does it.
        told: is told each file that was written.

    Raises:
        RefusalError: ARCHIVE_NOT_READY, days are not over or not timestamped; ARCHIVE_UNSOUND, see `UnsoundError`;
            ARCHIVE_BUSY; ARCHIVE_FILE.
    """
    if until > now.date():
        raise _not_ready(f"the day before {until.isoformat()} is not over")
    try:
        with _locked(directory):
            last, written = _last(directory, trust), 0
            _keep(directory / _SCRIPT.name, _SCRIPT.read_bytes())
            async for file in _Files(database, keyring, trust, directory, until).behind(last):
                last, written = file, written + 1
                if told is not None:
                    told(file)
    except ArchiveError as error:
        raise UnsoundError(error.bad) from error
    except OSError as error:
        raise file_refusal("ARCHIVE_FILE", error, directory.name) from error
    if last is not None:
        await _record(database, last, written, actor)
    return Outcome(written, last)


class _Files:
    def __init__(
        self, database: Database, keyring: Keyring, trust: list[x509.Certificate], directory: Path, until: date
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._anchors = TrustAnchors(trust)
        self._directory = directory
        self._until = until

    async def behind(self, last: Archived | None) -> AsyncIterator[Archived]:
        """Write file after file and give each that is whole."""
        day: _Day | None = None
        try:
            async for point in self._points(last):
                # nothing is added to a file that is closed, whatever the clock said
                made = point.at.date() if last is None else max(point.at.date(), last.day + _DAY)
                if day is not None and made > day.day:
                    last, day = day.close(last, self._anchors), None
                    yield last
                if day is None:
                    if made >= self._until:
                        return
                    day = _Day(self._directory, made, last)
                await self._add(day, point)
            if day is not None:
                yield day.close(last, self._anchors)
        finally:
            if day is not None:
                day.abandon()

    async def _points(self, last: Archived | None) -> AsyncIterator[Checkpoint]:
        number = 0 if last is None else last.reached.checkpoint
        following = select(checkpoint).order_by(checkpoint.c.number).limit(_BATCH)
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(following.where(checkpoint.c.number > number))).all()
            for row in rows:
                yield Checkpoint.of(row)
            if not rows:
                return
            number = rows[-1].number

    async def _add(self, day: "_Day", point: Checkpoint) -> None:
        async with self._database.read() as connection:
            seq = point.first_seq - 1
            while seq < point.last_seq:
                rows = await _links(connection, seq, point.last_seq)
                if not rows:
                    raise day.bad(f"the link {seq + 1} is missing", seq + 1)
                for values in rows:
                    day.link(values, self._keyring)
                seq = rows[-1][-2]
            table = checkpoint_token
            statement = select(table.c.algorithm, table.c.token).where(table.c.number == point.number)
            tokens = (await connection.execute(statement.order_by(table.c.id))).all()
        if not tokens:
            raise _not_ready(f"the checkpoint {point.number} has no timestamp")
        day.checkpoint(point, [(row.algorithm, row.token) for row in tokens])


class _Day:
    """Two files that are being written: the trail's, and that of the personal parts."""

    def __init__(self, directory: Path, day: date, before: Archived | None) -> None:
        self.day = day
        self._directory = directory
        self._paths = {kind: file_of(directory, kind, day) for kind in (TRAIL, PERSONAL)}
        self._files: dict[str, IO[bytes]] = {kind: _partial(path).open("wb") for kind, path in self._paths.items()}
        self._links = self._checkpoints = self._personal = 0
        self._hash = hashlib.sha512()
        self._write(
            TRAIL,
            {
                "archive": VERSION,
                "number": 1 if before is None else before.number + 1,
                "day": day.isoformat(),
                "previous": None if before is None else before.sha512.hex(),
                "after": (Reached() if before is None else before.reached).to_json(),
            },
        )

    def link(self, values: list[Any], keyring: Keyring) -> None:
        """Add a link with its event; `values`: header, sealed part, keyed hash, number, hash."""
        *header, sealed, mac, seq, octets = values
        if header[0] is None:
            raise self.bad("its event was deleted", seq)
        of = plain_event(header)
        self._write(TRAIL, {"seq": seq, "hash": octets.hex(), "header": of.header()})
        self._links += 1
        if sealed is None:
            return
        try:
            opened = event_of((*header, sealed), keyring)
            digest = hashlib.sha256((opened.salt or b"") + canonical(opened.personal)).digest()
        except (KeyringError, ValueError):
            digest = None
        if digest is None or digest != of.personal_sha256:
            raise self.bad(f"the personal part of the event {of.id} was changed", seq)
        packed = {
            "event": of.id,
            "sealed": base64.b64encode(sealed).decode(),
            "signer_mac": None if mac is None else mac.hex(),
        }
        self._hash.update(self._write(PERSONAL, packed))
        self._personal += 1

    def checkpoint(self, point: Checkpoint, tokens: list[tuple[str, bytes]]) -> None:
        """Add a checkpoint behind its links."""
        packed = [{"algorithm": name, "token": base64.b64encode(der).decode()} for name, der in tokens]
        self._write(TRAIL, {"checkpoint": point.to_json(), "tokens": packed})
        self._checkpoints += 1

    def close(self, before: Archived | None, anchors: TrustAnchors) -> Archived:
        """Bring both to the disk, read the trail's back, and give them their names."""
        parts = {"sha512": self._hash.hexdigest(), "count": self._personal} if self._personal else None
        self._write(TRAIL, {"end": {"links": self._links, "checkpoints": self._checkpoints, "personal": parts}})
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        partial = {kind: _partial(path) for kind, path in self._paths.items()}
        found = read(partial[TRAIL], before, anchors)
        if parts is None:
            partial[PERSONAL].unlink()
            self._paths[PERSONAL].unlink(missing_ok=True)
        else:
            partial[PERSONAL].replace(self._paths[PERSONAL])
            check_personal(self._directory, found)
        _sync(self._paths[PERSONAL].parent)
        _add_roots(self._directory, found.proof.roots)
        partial[TRAIL].replace(self._paths[TRAIL])
        _sync(self._paths[TRAIL].parent)
        return found

    def bad(self, what: str, seq: int) -> ArchiveError:
        """Return the error for a record of the database."""
        return ArchiveError(BadRecord(what, f"{TRAIL}/{self._paths[TRAIL].name}", seq=seq))

    def abandon(self) -> None:
        """Close both; they do not get their names."""
        for file in self._files.values():
            file.close()

    def _write(self, kind: str, value: dict[str, Any]) -> bytes:
        line = canonical(value) + b"\n"
        self._files[kind].write(line)
        return line


async def _links(connection: AsyncConnection, after: int, until: int) -> list[list[Any]]:
    joined = chain.outerjoin(event, event.c.id == chain.c.event_id).outerjoin(
        personal, personal.c.event_id == chain.c.event_id
    )
    columns = (*event.c, personal.c.sealed, personal.c.signer_mac, chain.c.seq, chain.c.hash)
    statement = select(*columns).select_from(joined).where(chain.c.seq > after, chain.c.seq <= until)
    try:
        return [list(row) for row in await connection.execute(statement.order_by(chain.c.seq).limit(_BATCH))]
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        bad = BadRecord(f"an event, or its link, was changed: {error}", TRAIL, seq=after + 1)
        raise ArchiveError(bad) from error


def _last(directory: Path, trust: list[x509.Certificate]) -> Archived | None:
    """Read the last file of an archive; those before it were read when they were written."""
    days = days_of(directory)
    if not days:
        return None
    found = read(file_of(directory, TRAIL, days[-1]), After(), TrustAnchors(trust))
    check_personal(directory, found)
    return found


async def _record(database: Database, last: Archived, written: int, actor: Actor) -> None:
    """Record what is archived: the event is timestamped in its turn, and covers all files by the hash of the last."""
    async with database.write() as work:
        newest = select(event.c.data).where(event.c.kind == "trail.archived").order_by(event.c.id.desc()).limit(1)
        data = await work.connection.scalar(newest)
        if written or data is None or data.get("sha512") != last.sha512.hex():
            await record(
                work,
                "trail.archived",
                actor,
                files=written,
                day=last.day.isoformat(),
                sha512=last.sha512.hex(),
                link=last.reached.seq,
                checkpoint=last.reached.checkpoint,
            )


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Make the folders, and keep other runs out."""
    for folder in (directory, directory / TRAIL, directory / PERSONAL):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another run writes into {directory.name}"
            raise RefusalError("ARCHIVE_BUSY", message, "Wait until it ends, then run this again.") from error
        os.fsync(descriptor)
        yield
    finally:
        os.close(descriptor)


def _add_roots(directory: Path, roots: frozenset[x509.Certificate]) -> None:
    """Keep the roots that were used, each once, in the order of their octets."""
    path = directory / ROOTS
    known = x509.load_pem_x509_certificates(path.read_bytes()) if path.exists() else []
    wanted = sorted({root.public_bytes(Encoding.DER): root for root in (*known, *roots)}.items())
    octets = b"".join(root.public_bytes(Encoding.PEM) for _, root in wanted)
    if len(wanted) > len(known):
        _keep(path, octets)


def _keep(path: Path, octets: bytes) -> None:
    """Put a file in its place, or in that of an older one, as a whole."""
    if path.is_file() and path.read_bytes() == octets:
        return
    with _partial(path).open("wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    _partial(path).replace(path)
    _sync(path.parent)


def _partial(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_ready(what: str) -> RefusalError:
    return RefusalError("ARCHIVE_NOT_READY", what, "Wait for the day's end and its timestamps; see fts audit verify.")
