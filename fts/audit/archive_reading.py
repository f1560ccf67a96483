"""Archive files: their form, and their verification without the database (FTS-AUD-1, FTS-AUD-2; ADR 7).

An archive is a folder. `trail/YYYY-MM-DD.jsonl` holds the stretch of the chain whose checkpoints were made on that day
(UTC), one canonical JSON object a line: where it begins and the SHA-512 of the file before; each link with the header
of its event; behind the links of a checkpoint the checkpoint and all its tokens; at the end how much there was.
`personal/YYYY-MM-DD.jsonl` holds the personal parts of the same events, sealed as in the database: these files are to
be deleted when their time is over, and the trail stays verifiable. `roots.pem` are the roots that were trusted.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import IO, Any, Final

from fts.audit.chain import FIRST, link
from fts.audit.checkpoints import MOST, Checkpoint
from fts.audit.merkle import root_of
from fts.audit.service import canonical
from fts.audit.tokens import Proven, proven
from signing.trust.path import PathError, TrustAnchors
from timestamping.ports import TimestampError

VERSION: Final = 1
TRAIL: Final = "trail"
PERSONAL: Final = "personal"
ROOTS: Final = "roots.pem"
SUFFIX: Final = ".jsonl"
PARTIAL: Final = ".partial"
"""Behind the name of a file that is not whole; nobody reads it."""
MOST_LINE: Final = 16 * 1024 * 1024
"""Octets of a line."""
_UNREADABLE: Final = (ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError, binascii.Error)

Visit = Callable[[Mapping[str, Any]], None]
"""Is shown each record of a file, after it was judged."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Up to where the trail goes."""

    seq: int = 0
    head: bytes = FIRST
    """Hash of the link at `seq`."""
    checkpoint: int = 0
    digest: bytes | None = None
    """Of that checkpoint."""

    def to_json(self) -> dict[str, Any]:
        """Return its members, octets in hexadecimal."""
        digest = None if self.digest is None else self.digest.hex()
        return {"seq": self.seq, "head": self.head.hex(), "checkpoint": self.checkpoint, "digest": digest}

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> "Reached":
        """Read what `to_json` returned."""
        digest = None if members["digest"] is None else bytes.fromhex(members["digest"])
        return cls(int(members["seq"]), bytes.fromhex(members["head"]), int(members["checkpoint"]), digest)


@dataclass(frozen=True, slots=True)
class Archived:
    """A file of an archive that was read to its end."""

    number: int
    """Of the file, from 1."""
    day: date
    sha512: bytes
    reached: Reached
    links: int
    checkpoints: int
    proof: Proven
    """Time of the newest token of its last checkpoint, and the roots of all tokens."""
    personal: Mapping[str, Any] | None
    """SHA-512 and number of lines of the file of personal parts."""


@dataclass(frozen=True, slots=True)
class After:
    """What lies before a file whose predecessor is not here; the file says where it begins."""

    sha512: bytes | None = None
    """Of the file before, as it was kept elsewhere; None where nothing is known of it."""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record of an archive that is not as it was written."""

    what: str
    file: str
    line: int | None = None
    seq: int | None = None
    checkpoint: int | None = None


class ArchiveError(Exception):
    """An archive is not as it was written."""

    def __init__(self, bad: BadRecord) -> None:
        super().__init__(bad.what)
        self.bad = bad


def file_of(directory: Path, kind: str, day: date) -> Path:
    """Return the path of a day's file."""
    return directory / kind / f"{day.isoformat()}{SUFFIX}"


def days_of(directory: Path) -> list[date]:
    """Return the days of an archive in their order.

    Raises:
        ArchiveError: something else lies among its files.
    """
    found = []
    folder = directory / TRAIL
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.endswith(SUFFIX + PARTIAL):
            continue
        try:
            day = date.fromisoformat(path.name.removesuffix(SUFFIX))
        except ValueError:
            day = None
        if day is None or path != file_of(directory, TRAIL, day) or not path.is_file():
            raise ArchiveError(BadRecord("it is no file of an archive", f"{TRAIL}/{path.name}"))
        found.append(day)
    return found


def read(path: Path, before: Archived | After | None, anchors: TrustAnchors, visit: Visit | None = None) -> Archived:
    """Read a file and verify it, in bounded memory.

    Args:
        path: where it is; its name says the day, a `PARTIAL` behind it is left out.
        before: the file before; None where it must be the first of all.
        anchors: roots of the timestamping authorities.
        visit: is shown each record.

    Raises:
        ArchiveError: the first record that is not as it was written.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _Reading(path, file, anchors, visit).whole(before)


class _Reading:
    def __init__(self, path: Path, file: IO[bytes], anchors: TrustAnchors, visit: Visit | None) -> None:
        self._name = path.name.removesuffix(PARTIAL)
        self._file = file
        self._anchors = anchors
        self._visit = visit
        self._hash = hashlib.sha512()
        self._line = 0
        self._seq = 0
        self._checkpoint: int | None = None

    def whole(self, before: Archived | After | None) -> Archived:
        records = self._records()
        try:
            number, day, reached = self._begin(begin := next(records), before)
            if self._visit is not None:
                self._visit(begin)
            return self._rest(records, number, day, reached)
        except StopIteration:
            raise self._bad("the file is cut off") from None
        except (*_UNREADABLE, PathError, TimestampError) as error:
            raise self._bad(f"it cannot be read: {error!r}") from error

    def _records(self) -> Iterator[dict[str, Any]]:
        """Give the lines; each is exactly the canonical form of what it says."""
        while line := self._file.readline(MOST_LINE):
            self._line += 1
            if not line.endswith(b"\n"):
                raise self._bad("the file is cut off" if len(line) < MOST_LINE else "the line is too long")
            record = json.loads(line)
            if not isinstance(record, dict) or canonical(record) + b"\n" != line:
                raise self._bad("it is not written as archives are")
            self._hash.update(line)
            yield record

    def _begin(self, said: dict[str, Any], before: Archived | After | None) -> tuple[int, date, Reached]:
        if said.keys() != {"archive", "number", "day", "previous", "after"} or said["archive"] != VERSION:
            raise self._bad(f"it is no archive of version {VERSION}")
        day, reached = date.fromisoformat(said["day"]), Reached.from_json(said["after"])
        if f"{day.isoformat()}{SUFFIX}" != self._name:
            raise self._bad(f"it is the file of {said['day']!r}")
        if reached.to_json() != said["after"]:
            raise self._bad("it does not say where it begins")
        self._seq = reached.seq + 1
        if isinstance(before, After):
            if before.sha512 is not None and said["previous"] != before.sha512.hex():
                raise self._bad("it was written behind another file than the one that is said to be before it")
            return int(said["number"]), day, reached
        number, previous = (1, None) if before is None else (before.number + 1, before.sha512.hex())
        if said["number"] != number:
            raise self._bad(f"the file {number} is missing: this is {said['number']!r}")
        if said["previous"] != previous:
            raise self._bad("it was written behind another file than the one before it")
        if reached != (Reached() if before is None else before.reached) or (before and day <= before.day):
            raise self._bad("it does not begin where the file before it ends")
        return number, day, reached

    def _rest(self, records: Iterator[dict[str, Any]], number: int, day: date, reached: Reached) -> Archived:
        found = Archived(number, day, b"", reached, 0, 0, Proven(), None)
        head, leaves = reached.head, list[bytes]()
        for record in records:
            if record.keys() == {"seq", "hash", "header"}:
                head = self._link(record, head)
                leaves.append(head)
                if len(leaves) > MOST:
                    raise self._bad(f"more than {MOST} links without a checkpoint")
            elif record.keys() == {"checkpoint", "tokens"}:
                found = self._point(record, found, leaves)
                leaves = []
            elif record.keys() == {"end"} and not leaves:
                return self._end(records, record["end"], found)
            else:
                raise self._bad("it is no record of an archive, or not in its place")
            if self._visit is not None:
                self._visit(record)
        raise self._bad("the file is cut off")

    def _link(self, record: dict[str, Any], previous: bytes) -> bytes:
        if record["seq"] != self._seq:
            raise self._bad(f"the link {self._seq} is missing: this is {record['seq']!r}")
        expected = link(self._seq, previous, hashlib.sha256(canonical(record["header"])).digest())
        if expected.hex() != record["hash"]:
            raise self._bad(f"the event {record['header'].get('id')!r}, or its link {self._seq}, was changed")
        self._seq += 1
        return expected

    def _point(self, record: dict[str, Any], found: Archived, leaves: list[bytes]) -> Archived:
        said, reached = record["checkpoint"], found.reached
        self._checkpoint = reached.checkpoint + 1
        if said["number"] != self._checkpoint:
            raise self._bad(f"the checkpoint {self._checkpoint} is missing: this is {said['number']!r}")
        point = Checkpoint.from_json(said)
        if point.to_json() != said or (point.first_seq, point.previous) != (reached.seq + 1, reached.digest):
            raise self._bad("the checkpoint was changed")
        if not leaves or (point.last_seq, point.root, point.head) != (
            self._seq - 1,
            root_of(leaves, point.algorithm),
            leaves[-1],
        ):
            raise self._bad("the checkpoint is over another chain")
        proof = self._tokens(point, record["tokens"])
        self._checkpoint = None
        return replace(
            found,
            reached=Reached(point.last_seq, point.head, point.number, point.digest),
            links=found.links + len(leaves),
            checkpoints=found.checkpoints + 1,
            proof=Proven(proof.at, found.proof.roots | proof.roots),
        )

    def _tokens(self, point: Checkpoint, said: Sequence[Mapping[str, str]]) -> Proven:
        tokens = []
        for token in said:
            der = base64.b64decode(token["token"], validate=True)
            if {"algorithm": token["algorithm"], "token": base64.b64encode(der).decode()} != token:
                raise self._bad("a timestamp is not written as archives are")
            tokens.append((None, token["algorithm"], der))
        try:
            found = proven(point, tokens, self._anchors)
        except (*_UNREADABLE, PathError, TimestampError) as error:
            raise self._bad(f"a timestamp is not valid: {error}") from error
        if found.at is None:
            raise self._bad("the checkpoint has no timestamp")
        return found

    def _end(self, records: Iterator[dict[str, Any]], said: dict[str, Any], found: Archived) -> Archived:
        personal = said["personal"]
        if said != {"links": found.links, "checkpoints": found.checkpoints, "personal": personal}:
            raise self._bad("the file does not end as it says")
        if not found.checkpoints or (personal is not None and personal.keys() != {"sha512", "count"}):
            raise self._bad("the file does not end as it says")
        if next(records, None) is not None:
            raise self._bad("something follows the end")
        return replace(found, sha512=self._hash.digest(), personal=personal)

    def _bad(self, what: str) -> ArchiveError:
        return ArchiveError(BadRecord(what, f"{TRAIL}/{self._name}", self._line, self._seq, self._checkpoint))


def check_personal(directory: Path, of: Archived) -> bool:
    """Compare a day's file of personal parts with what the trail says; return whether it is there.

    Raises:
        ArchiveError: it is another one.
    """
    path = file_of(directory, PERSONAL, of.day)
    name = f"{PERSONAL}/{path.name}"
    if not path.exists():
        return False
    if of.personal is None:
        raise ArchiveError(BadRecord("there were no personal parts on that day", name))
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha512").hexdigest() != of.personal["sha512"]:
            raise ArchiveError(BadRecord("the personal parts were changed", name))
    return True
