"""Walking a whole archive (FTS-AUD-2): every file, in its order, without the database."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from fts.audit.archive_reading import (
    PERSONAL,
    SUFFIX,
    TRAIL,
    After,
    Archived,
    ArchiveError,
    BadRecord,
    Reached,
    Visit,
    check_personal,
    days_of,
    file_of,
    read,
)
from fts.errors import RefusalError, file_refusal
from signing.trust.path import TrustAnchors

Told = Callable[[Archived], None]
"""Is told each file that was read to its end."""


class UnsoundError(RefusalError):
    """What is to be archived, or was, is not as it was written."""

    def __init__(self, bad: BadRecord) -> None:
        where = ", ".join(
            f"{name} {value}"
            for name, value in (("line", bad.line), ("link", bad.seq), ("checkpoint", bad.checkpoint))
            if value is not None
        )
        message = f"{bad.file}{f' ({where})' if where else ''}: {bad.what}"
        super().__init__("ARCHIVE_UNSOUND", message, "Run fts audit verify; it names what was changed.")
        self.bad = bad


@dataclass(frozen=True, slots=True)
class ArchiveVerdict:
    """What a walk over an archive found."""

    files: int = 0
    links: int = 0
    checkpoints: int = 0
    first_day: date | None = None
    last_day: date | None = None
    last_sha512: bytes | None = None
    """Of the last file: it covers all files before."""
    reached: Reached | None = None
    anchored_until: datetime | None = None
    """Time of the newest token of the last checkpoint."""
    covered_day: date | None = None
    """The last file that a later file of this archive covers with newer timestamps (`trail.archived`)."""
    covered_at: datetime | None = None
    """Time of the newest timestamp over it."""
    removed_personal_files: int = 0
    first_bad: BadRecord | None = None

    @property
    def ok(self) -> bool:
        """Whether everything is as it was written."""
        return self.first_bad is None


def walk_archive(
    directory: Path,
    anchors: TrustAnchors,
    *,
    after: bytes | None = None,
    last: bytes | None = None,
    visit: Visit | None = None,
    told: Told | None = None,
) -> ArchiveVerdict:
    """Read all files and verify them; the first bad record ends it.

    Args:
        directory: the archive.
        anchors: roots of the timestamping authorities, also of those that are out of use.
        after: SHA-512 of the file before the first one here; None where the archive must begin with the trail.
        last: SHA-512 of its last file, as it was kept elsewhere: without it a last file that is gone is not missed.
        visit: is shown each record, the file's before its end is known.
        told: is told each file.

    Raises:
        OSError: a file cannot be read.
    """
    walk = _Walk(directory, anchors, visit, told)
    try:
        walk.along(after, last)
    except ArchiveError as error:
        return replace(walk.verdict, first_bad=error.bad)
    return walk.verdict


def joined(directory: Path, trust: Iterable[x509.Certificate]) -> Reached:
    """Verify an archive and return up to where it goes.

    Raises:
        RefusalError: ARCHIVE_UNSOUND, see `UnsoundError`; ARCHIVE_FILE.
    """
    try:
        verdict = walk_archive(directory, TrustAnchors(trust))
    except OSError as error:
        raise file_refusal("ARCHIVE_FILE", error, directory.name) from error
    if verdict.first_bad is not None or verdict.reached is None:
        raise UnsoundError(verdict.first_bad or BadRecord("there is no file", TRAIL))
    return verdict.reached


class _Walk:
    def __init__(self, directory: Path, anchors: TrustAnchors, visit: Visit | None, told: Told | None) -> None:
        self._directory = directory
        self._anchors = anchors
        self._visit = visit
        self._told = told
        self._days: dict[str, date] = {}
        """The file of each SHA-512 so far."""
        self._named: date | None = None
        self.verdict = ArchiveVerdict()

    def along(self, after: bytes | None, last: bytes | None) -> None:
        """Walk.

        Raises:
            ArchiveError: at the first bad record.
        """
        days = days_of(self._directory)
        if not days:
            raise ArchiveError(BadRecord("there is no file", TRAIL))
        before: Archived | After | None = None if after is None else After(after)
        for day in days:
            self._named = None
            found = read(file_of(self._directory, TRAIL, day), before, self._anchors, self._see)
            there = check_personal(self._directory, found)
            self._reached(found, removed=found.personal is not None and not there)
            before = found
            if self._told is not None:
                self._told(found)
        strange = {path.name for path in (self._directory / PERSONAL).glob(f"*{SUFFIX}")}
        strange -= {f"{day.isoformat()}{SUFFIX}" for day in days}
        if strange:
            what = (
                "the trail has no such day: its file was removed, or a run was cut short (run fts audit archive again)"
            )
            raise ArchiveError(BadRecord(what, f"{PERSONAL}/{min(strange)}"))
        if last is not None and self.verdict.last_sha512 != last:
            what = "it is not the file that was kept in mind as the last one: files are missing behind it, or more"
            raise ArchiveError(BadRecord(what, f"{TRAIL}/{days[-1].isoformat()}{SUFFIX}"))

    def _see(self, record: Mapping[str, Any]) -> None:
        header = record.get("header")
        if header is not None and header["kind"] == "trail.archived":
            self._named = self._days.get(header["data"].get("sha512")) or self._named
        if self._visit is not None:
            self._visit(record)

    def _reached(self, found: Archived, *, removed: bool) -> None:
        self._days[found.sha512.hex()] = found.day
        verdict = self.verdict
        self.verdict = replace(
            verdict,
            files=verdict.files + 1,
            links=verdict.links + found.links,
            checkpoints=verdict.checkpoints + found.checkpoints,
            first_day=verdict.first_day or found.day,
            last_day=found.day,
            last_sha512=found.sha512,
            reached=found.reached,
            anchored_until=found.proof.at,
            covered_day=self._named or verdict.covered_day,
            covered_at=found.proof.at if self._named else verdict.covered_at,
            removed_personal_files=verdict.removed_personal_files + removed,
        )
