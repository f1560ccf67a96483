"""A bundle of a transaction from an archive (FTS-AUD-1): the same as from the database, also when that is gone."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cryptography import x509

from fts.audit.archive_reading import PERSONAL, Archived, BadRecord, Visit, file_of
from fts.audit.archive_walk import Told, UnsoundError, walk_archive
from fts.audit.checkpoints import Checkpoint
from fts.audit.export import Tokens, empty, write_bundle
from fts.audit.merkle import inclusion_proof
from fts.audit.models import event
from fts.audit.service import Actor, Event, canonical, event_of, record
from fts.db.database import Database
from fts.errors import file_refusal
from fts.keyring import Keyring, KeyringError
from signing.trust.path import TrustAnchors


async def bundle_from_archive(
    database: Database,
    keyring: Keyring,
    trust: list[x509.Certificate],
    actor: Actor,
    directory: Path,
    archive: Path,
    **wanted: str | None,
) -> int:
    """Write the bundle of `signing_id`, or of `client_id` and `document_id`, and return how many events it has.

    The whole archive is verified on the way. Who read the trail afterwards is left out; that it is read now is recorded
    in the database.

    Raises:
        RefusalError: BUNDLE_EMPTY, FILE_EXISTS, ARCHIVE_FILE; ARCHIVE_UNSOUND, see `UnsoundError`.
    """
    try:
        found = await asyncio.to_thread(_find, archive, keyring, TrustAnchors(trust), wanted)
    except OSError as error:
        raise file_refusal("ARCHIVE_FILE", error, archive.name) from error
    if not found.records:
        raise empty()
    async with database.write() as work:
        await record(work, "trail.exported", actor, **wanted, events=len(found.records), archive=True)
    write_bundle(directory, found.records, found.points, found.tokens, trust)
    return len(found.records)


@dataclass
class _Wanted:
    """Picks the events of a transaction out of what passes."""

    signing: str | None
    client: str | None
    document: str | None
    records: list[dict[str, Any]] = field(default_factory=list)
    points: dict[int, Checkpoint] = field(default_factory=dict)
    tokens: dict[int, Tokens] = field(default_factory=dict)
    days: dict[date, list[dict[str, Any]]] = field(default_factory=dict)
    """Records by the day of their file."""
    _leaves: list[bytes] = field(default_factory=list)
    _first: bytes = b""
    _met: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    _of_day: list[dict[str, Any]] = field(default_factory=list)

    def see(self, said: Mapping[str, Any]) -> None:
        """Take what is wanted of a record of an archive."""
        if "header" in said:
            if self._is_wanted(said["header"]):
                before = self._leaves[-1] if self._leaves else self._first
                packed = {"header": said["header"], "personal": None, "seq": said["seq"], "previous": before.hex()}
                self._met.append((len(self._leaves), packed))
            self._leaves.append(bytes.fromhex(said["hash"]))
        elif "after" in said:
            self._first = bytes.fromhex(said["after"]["head"])
        elif "checkpoint" in said:
            self._checkpoint(Checkpoint.from_json(said["checkpoint"]), said["tokens"])

    def told(self, file: Archived) -> None:
        """Remember which file had them."""
        if self._of_day:
            self.days[file.day] = self._of_day
            self._of_day = []

    def _checkpoint(self, point: Checkpoint, tokens: list[dict[str, str]]) -> None:
        for index, packed in self._met:
            proof = inclusion_proof(self._leaves, index, point.algorithm)
            packed |= {"checkpoint": point.number, "proof": [node.hex() for node in proof]}
            self.points[point.number] = point
            self.tokens[point.number] = [(t["algorithm"], base64.b64decode(t["token"])) for t in tokens]
            self.records.append(packed)
            self._of_day.append(packed)
        self._first, self._leaves, self._met = point.head, [], []

    def _is_wanted(self, header: Mapping[str, Any]) -> bool:
        if header["kind"].startswith("trail."):
            return False
        about = (header["client"], header["document"]) == (self.client, self.document)
        if self.signing is None:
            return about
        return bool(header["signing"] == self.signing or (about and header["signing"] is None))


def _find(archive: Path, keyring: Keyring, anchors: TrustAnchors, wanted: dict[str, str | None]) -> _Wanted:
    picked = _Wanted(wanted.get("signing_id"), wanted.get("client_id"), wanted.get("document_id"))
    if picked.signing is not None:
        owner = _Owner(picked.signing)
        _walk(archive, anchors, owner.see)
        picked.client, picked.document = owner.found or (None, None)
        if owner.found is None:
            return picked
    _walk(archive, anchors, picked.see, picked.told)
    for day, records in picked.days.items():
        _open(archive, day, records, keyring)
    return picked


class _Owner:
    """Finds whose document a signing is about."""

    def __init__(self, signing: str) -> None:
        self._signing = signing
        self.found: tuple[str | None, str | None] | None = None

    def see(self, said: Mapping[str, Any]) -> None:
        """Look at a record of an archive."""
        header = said.get("header")
        if header is not None and self.found is None and header["signing"] == self._signing:
            self.found = header["client"], header["document"]


def _walk(archive: Path, anchors: TrustAnchors, see: Visit, told: Told | None = None) -> None:
    verdict = walk_archive(archive, anchors, visit=see, told=told)
    if verdict.first_bad is not None:
        raise UnsoundError(verdict.first_bad)


def _open(archive: Path, day: date, records: list[dict[str, Any]], keyring: Keyring) -> None:
    """Open the personal parts of a day's records, unless they were removed."""
    path = file_of(archive, PERSONAL, day)
    if not path.exists():
        return
    by_id = {packed["header"]["id"]: packed for packed in records}
    with path.open("rb") as file:
        for line in file:
            said = json.loads(line)
            if (packed := by_id.get(said["event"])) is None:
                continue
            try:
                part = _part(packed["header"], base64.b64decode(said["sealed"]), keyring)
            except (KeyringError, ValueError) as error:
                what = f"the personal part of the event {said['event']} does not open: {error}"
                raise UnsoundError(BadRecord(what, f"{PERSONAL}/{path.name}", seq=packed["seq"])) from error
            packed["personal"] = {"salt": (part.salt or b"").hex(), "content": part.personal}


def _part(header: Mapping[str, Any], sealed: bytes, keyring: Keyring) -> Event:
    """Return an event with its personal part, of whose header nothing but its digest is filled in."""
    digest = bytes.fromhex(header["personal_sha256"] or "")
    of = event_of((*(None for _ in list(event.c)[1:]), digest, sealed), keyring)
    if hashlib.sha256((of.salt or b"") + canonical(of.personal)).digest() != digest:
        raise ValueError("it is another one")
    return of
