"""Walking the whole trail (FTS-AUD-2): events, chain, checkpoints, timestamps; the first bad record is named.

What was cut off at the end, checkpoints included, shows only beside a checkpoint that was kept elsewhere.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from sqlalchemy import Row, Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.archive_reading import Reached
from fts.audit.chain import FIRST, event_hash, link, plain_event
from fts.audit.checkpoints import Checkpoint
from fts.audit.merkle import Tree
from fts.audit.models import chain, checkpoint, checkpoint_token, event, personal
from fts.audit.service import Event, canonical, event_of
from fts.audit.tokens import SKEW, proven
from fts.db.database import Database
from fts.keyring import Keyring, KeyringError
from signing.trust.path import PathError, TrustAnchors
from timestamping.ports import TimestampError

_BATCH: Final = 2000
_UNCHAINED: Final = timedelta(seconds=10)
"""Age at which an event must be in the chain."""
_UNANCHORED: Final = timedelta(minutes=10)
"""Age at which a link must have its checkpoint, and a checkpoint its token."""
_WINDOW: Final = 100_000
"""Ids that one search for events outside the chain covers."""
_UNREADABLE: Final = (ValueError, TypeError, OverflowError, AttributeError)
"""What a row raises whose values are not of their types."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that is not as it was written."""

    what: str
    seq: int | None = None
    event_id: int | None = None
    checkpoint: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk found."""

    events: int = 0
    """In the chain."""
    waiting: int = 0
    """Recorded in the last seconds, not yet in the chain."""
    checkpoints: int = 0
    anchored_until: datetime | None = None
    """Time of the newest token of an unbroken row of checkpoints."""
    removed_personal_parts: int = 0
    first_bad: Bad | None = None

    @property
    def ok(self) -> bool:
        """Whether everything is as it was written."""
        return self.first_bad is None


class _BadError(Exception):
    def __init__(self, bad: Bad) -> None:
        super().__init__(bad.what)
        self.bad = bad


class _BrokenLinkError(_BadError):
    def __init__(self, bad: Bad, seq: int, previous: bytes, expected: bytes, stored: object) -> None:
        super().__init__(bad)
        self.seq = seq
        self.previous = previous
        self.expected = expected
        """Hash of the link over the event that stands there; empty where that cannot be read."""
        self.stored = stored


async def verify(
    database: Database,
    keyring: Keyring | None,
    trust: Sequence[x509.Certificate],
    now: datetime,
    kept: Checkpoint | None = None,
    archived: Reached | None = None,
) -> Verdict:
    """Walk the trail, in bounded memory.

    Args:
        database: where the trail is.
        keyring: opens the personal parts, to compare them with their digests; without it they are not looked at.
        trust: roots of the timestamping authorities, also of those that are out of use by now.
        now: the time.
        kept: a checkpoint that was kept elsewhere; the trail must contain it.
        archived: up to where an archive goes that was verified; the trail must go on from there.
    """
    walk = _Walk(keyring, TrustAnchors(trust), now)
    async with database.read() as connection:
        try:
            await walk.along(connection)
            if kept is not None:
                walk.compare(kept.number, kept.digest, kept.first_seq)
            if archived is not None:
                walk.compare(archived.checkpoint, archived.digest, archived.seq)
        except _BrokenLinkError as found:
            return replace(walk.verdict, first_bad=replace(found.bad, what=await _what_broke(connection, found)))
        except _BadError as found:
            return replace(walk.verdict, first_bad=found.bad)
    return walk.verdict


class _Walk:
    def __init__(self, keyring: Keyring | None, anchors: TrustAnchors, now: datetime) -> None:
        self._keyring = keyring
        self._anchors = anchors
        self._now = now
        self._before: Checkpoint | None = None
        self._seen: dict[int, bytes] = {}
        self.verdict = Verdict()

    async def along(self, connection: AsyncConnection) -> None:
        """Walk.

        Raises:
            _BadError: at the first bad record.
        """
        points = _checkpoints(connection)
        point, tree, bare = await anext(points, None), None, None
        seq, previous, last_event_id = 0, FIRST, 0
        async for row in _links(connection):
            if row.seq != seq + 1:
                raise _BadError(Bad(f"the link {seq + 1} is missing; {row.seq} follows {seq}", seq + 1))
            seq, previous = row.seq, self._link(row, previous)
            last_event_id = row.event_id
            if point is None:
                bare = bare or row
                continue
            if tree is None:
                self._begins(point, seq)
                tree = Tree(point.algorithm)
            tree.add(previous)
            if seq == point.last_seq:
                self._ends(point, tree.root(), previous, last_event_id)
                await self._tokens(connection, point)
                point, tree = await anext(points, None), None
        if point is not None:
            what = f"the chain ends at {seq}; the checkpoint {point.number} covers up to {point.last_seq}"
            raise _BadError(Bad(what, seq + 1, checkpoint=point.number))
        await self._left_over(connection, seq)
        if bare is not None and self._now - bare.at > _UNANCHORED:
            raise _BadError(Bad(f"no checkpoint covers the link {bare.seq}", bare.seq, bare.event_id))
        await self._unchained(connection)

    async def _left_over(self, connection: AsyncConnection, seq: int) -> None:
        """Find rows that no walk meets: links with a number twice or below 1, timestamps whose checkpoint is gone."""
        count = await connection.scalar(select(func.count()).select_from(chain).where(chain.c.seq <= seq))
        if count != seq:
            raise _BadError(Bad(f"there are {count} links with numbers up to {seq}"))
        orphan = select(func.min(checkpoint_token.c.number)).where(
            ~exists().where(checkpoint.c.number == checkpoint_token.c.number)
        )
        if (number := await connection.scalar(orphan)) is not None:
            raise _BadError(Bad(f"the checkpoint {number} is missing; its timestamp is there", checkpoint=number))

    def compare(self, number: int, digest: bytes | None, seq: int) -> None:
        """Find a checkpoint that was kept elsewhere.

        Raises:
            _BadError: the trail has another one, or none.
        """
        found = self._seen.get(number)
        if found is None:
            what = f"the trail ends before the checkpoint {number}, which was kept elsewhere"
            raise _BadError(Bad(what, seq, checkpoint=number))
        if found != digest:
            what = f"the checkpoint {number} is another one than the one that was kept elsewhere"
            raise _BadError(Bad(what, seq, checkpoint=number))

    def _link(self, row: Row[Any], previous: bytes) -> bytes:
        values: list[Any] = list(row)
        *header, sealed, seq, event_id, stored = values
        if header[0] is None:
            raise _BadError(Bad(f"the event {event_id} was deleted", seq, event_id))
        of = plain_event(header)
        try:
            expected = link(seq, previous, event_hash(of))
        except _UNREADABLE:
            expected = b""
        if expected != stored:
            bad = Bad(f"the event {event_id}, or its link {seq}, was changed", seq, event_id)
            raise _BrokenLinkError(bad, seq, previous, expected, stored)
        if of.personal_sha256 is None and sealed is not None:
            raise _BadError(Bad(f"a personal part was added to the event {event_id}", seq, event_id))
        removed = of.personal_sha256 is not None and sealed is None
        if sealed is not None and self._keyring is not None:
            self._personal((*header, sealed), seq, of)
        self.verdict = replace(
            self.verdict,
            events=self.verdict.events + 1,
            removed_personal_parts=self.verdict.removed_personal_parts + removed,
        )
        return bytes(stored)

    def _personal(self, row: tuple[Any, ...], seq: int, of: Event) -> None:
        try:
            opened = event_of(row, self._keyring)
            digest = hashlib.sha256((opened.salt or b"") + canonical(opened.personal)).digest()
        except (KeyringError, ValueError):
            digest = None
        if digest != of.personal_sha256:
            raise _BadError(Bad(f"the personal part of the event {of.id} was changed", seq, of.id))

    def _begins(self, point: Checkpoint, seq: int) -> None:
        expected = 1 if self._before is None else self._before.number + 1
        if point.number != expected:
            raise _BadError(Bad(f"the checkpoint {expected} is missing", seq, checkpoint=expected))
        before = None if self._before is None else self._before.digest
        try:
            sound = point.computed() == point.digest and point.first_seq == seq and point.previous == before
        except ValueError:
            sound = False
        if not sound:
            raise _BadError(Bad(f"the checkpoint {point.number} was changed", seq, checkpoint=point.number))

    def _ends(self, point: Checkpoint, root: bytes, head: bytes, last_event_id: int) -> None:
        if (point.root, point.head, point.last_event_id) != (root, head, last_event_id):
            what = f"the checkpoint {point.number} is over another chain"
            raise _BadError(Bad(what, point.first_seq, checkpoint=point.number))
        self._before = point
        self._seen[point.number] = point.digest

    async def _tokens(self, connection: AsyncConnection, point: Checkpoint) -> None:
        table = checkpoint_token
        statement = select(table.c.covers, table.c.algorithm, table.c.token).where(table.c.number == point.number)
        rows = await connection.execute(statement.order_by(table.c.id))
        try:
            newest = proven(point, [(row.covers, row.algorithm, row.token) for row in rows], self._anchors).at
        except (TimestampError, PathError, *_UNREADABLE) as error:
            what = f"a timestamp of the checkpoint {point.number} is not valid: {error}"
            raise _BadError(Bad(what, point.first_seq, checkpoint=point.number)) from error
        if newest is None and self._now - point.at > _UNANCHORED:
            what = f"the checkpoint {point.number} has no timestamp"
            raise _BadError(Bad(what, point.first_seq, checkpoint=point.number))
        self.verdict = replace(
            self.verdict,
            checkpoints=self.verdict.checkpoints + 1,
            anchored_until=newest or self.verdict.anchored_until,
        )

    async def _unchained(self, connection: AsyncConnection) -> None:
        """Find events outside the chain; one that is dated in the future does not wait for its turn."""
        first, last = (await connection.execute(select(func.min(event.c.id), func.max(event.c.id)))).one()
        overdue = or_(event.c.at < self._now - _UNCHAINED, event.c.at > self._now + SKEW)
        for low in range(first or 0, (last or 0) + 1, _WINDOW):
            high = low + _WINDOW
            chained = and_(chain.c.event_id == event.c.id, chain.c.event_id >= low, chain.c.event_id < high)
            outside = select(func.count(), func.min(event.c.id).filter(overdue)).where(
                event.c.id >= low, event.c.id < high, ~exists().where(chained)
            )
            waiting, found = (await connection.execute(outside)).one()
            if found is not None:
                what = f"the event {found} is not in the chain: it was inserted past it, or the sequencer stands still"
                raise _BadError(Bad(what, event_id=found))
            self.verdict = replace(self.verdict, waiting=self.verdict.waiting + waiting)


async def _what_broke(connection: AsyncConnection, broken: _BrokenLinkError) -> str:
    """Say which was changed, the event or the link, or which event was moved; both where neither can be told.

    The next link was made over the true hash of this one. An event that was moved is looked for in the whole trail.
    """
    seq, event_id = broken.seq, broken.bad.event_id
    found = select(*event.c, chain.c.hash).join(chain, chain.c.event_id == event.c.id).where(chain.c.seq == seq + 1)
    try:
        after = (await connection.execute(found)).one_or_none()
        if isinstance(broken.stored, bytes):
            last = 0
            while rows := await _readable(connection, select(event).where(event.c.id > last).order_by(event.c.id)):
                for row in rows:
                    if link(seq, broken.previous, event_hash(plain_event(list(row)))) == broken.stored:
                        return f"the event {event_id} was moved: the link {seq} was made over the event {row.id}"
                last = rows[-1].id
        if after is not None:
            *header, following = after
            of_event = event_hash(plain_event(header))
            if broken.expected and link(seq + 1, broken.expected, of_event) == following:
                return f"the link {seq} of the event {event_id} was changed"
            if isinstance(broken.stored, bytes) and link(seq + 1, broken.stored, of_event) == following:
                return f"the event {event_id} was changed; its link {seq} is as it was"
    except _UNREADABLE:
        return broken.bad.what
    return broken.bad.what


async def _links(connection: AsyncConnection) -> AsyncIterator[Row[Any]]:
    joined = chain.outerjoin(event, event.c.id == chain.c.event_id).outerjoin(
        personal, personal.c.event_id == chain.c.event_id
    )
    columns = (*event.c, personal.c.sealed, chain.c.seq, chain.c.event_id, chain.c.hash)
    statement = select(*columns).select_from(joined).order_by(chain.c.seq)
    last: int | None = None
    while True:
        rest = statement if last is None else statement.where(chain.c.seq > last)
        try:
            rows = await _readable(connection, rest)
        except _UNREADABLE as error:
            seq = (last or 0) + 1
            raise _BadError(Bad(f"the event of the link {seq}, or the link, was changed: {error}", seq)) from error
        if not rows:
            return
        for row in rows:
            yield row
        last = rows[-1].seq


async def _checkpoints(connection: AsyncConnection) -> AsyncIterator[Checkpoint]:
    statement = select(checkpoint).order_by(checkpoint.c.number)
    last: int | None = None
    while True:
        rest = statement if last is None else statement.where(checkpoint.c.number > last)
        try:
            rows = await _readable(connection, rest)
        except _UNREADABLE as error:
            number = (last or 0) + 1
            raise _BadError(Bad(f"the checkpoint {number} was changed: {error}", checkpoint=number)) from error
        if not rows:
            return
        for row in rows:
            yield Checkpoint.of(row)
        last = rows[-1].number


async def _readable(connection: AsyncConnection, statement: Select[Any]) -> Sequence[Row[Any]]:
    """Return the next rows; fewer where one of them has values of other types, whose turn comes at the beginning."""
    limit = _BATCH
    while True:
        result = await connection.execute(statement.limit(limit))
        try:
            rows: Sequence[Row[Any]] = result.all()
        except _UNREADABLE:
            if limit == 1:
                raise
            limit //= 2
        else:
            return rows
