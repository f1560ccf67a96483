"""Walking the whole trail (FTS-AUD-2): events, chain, checkpoints, timestamps; the first bad record is named.

What was cut off at the end, checkpoints included, shows only beside a checkpoint that was kept elsewhere.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from sqlalchemy import Row, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.chain import FIRST, event_hash, link, plain_event
from fts.audit.checkpoints import Checkpoint, imprint
from fts.audit.merkle import Tree
from fts.audit.models import chain, checkpoint, checkpoint_token, event, personal
from fts.audit.service import Event, canonical, event_of
from fts.db.database import Database
from fts.keyring import Keyring, KeyringError
from signing.trust.path import PathError, TrustAnchors
from timestamping.algorithms import DigestAlgorithm
from timestamping.ports import TimestampError
from timestamping.token import parse_token

_BATCH: Final = 2000
_UNCHAINED: Final = timedelta(seconds=10)
"""Age at which an event must be in the chain."""
_UNANCHORED: Final = timedelta(minutes=10)
"""Age at which a checkpoint must have its token."""


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


async def verify(
    database: Database,
    keyring: Keyring | None,
    trust: Sequence[x509.Certificate],
    now: datetime,
    kept: Checkpoint | None = None,
) -> Verdict:
    """Walk the trail, in bounded memory.

    Args:
        database: where the trail is.
        keyring: opens the personal parts, to compare them with their digests; without it they are not looked at.
        trust: roots of the timestamping authorities, also of those that are out of use by now.
        now: the time.
        kept: a checkpoint that was kept elsewhere; the trail must contain it.
    """
    walk = _Walk(keyring, TrustAnchors(trust), now)
    async with database.read() as connection:
        try:
            await walk.along(connection)
            if kept is not None:
                walk.compare(kept)
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
        point, tree = await anext(points, None), None
        seq, previous, last_event_id = 0, FIRST, 0
        async for row in _links(connection):
            if row.seq != seq + 1:
                raise _BadError(Bad(f"the link {seq + 1} is missing; {row.seq} follows {seq}", seq + 1))
            seq, previous = row.seq, self._link(row, previous)
            last_event_id = row.event_id
            if point is None:
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
        await self._unchained(connection)

    def compare(self, kept: Checkpoint) -> None:
        """Find a checkpoint that was kept elsewhere.

        Raises:
            _BadError: the trail has another one, or none.
        """
        found = self._seen.get(kept.number)
        if found is None:
            what = f"the trail ends before the checkpoint {kept.number}, which was kept elsewhere"
            raise _BadError(Bad(what, kept.first_seq, checkpoint=kept.number))
        if found != kept.digest:
            what = f"the checkpoint {kept.number} is another one than the one that was kept elsewhere"
            raise _BadError(Bad(what, kept.first_seq, checkpoint=kept.number))

    def _link(self, row: Row[Any], previous: bytes) -> bytes:
        values: list[Any] = list(row)
        *header, sealed, seq, event_id, stored = values
        if header[0] is None:
            raise _BadError(Bad(f"the event {event_id} was deleted", seq, event_id))
        of = plain_event(header)
        if link(seq, previous, event_hash(of)) != stored:
            raise _BadError(Bad(f"the event {event_id}, or its link {seq}, was changed or moved", seq, event_id))
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
        table, earlier, newest = checkpoint_token, list[bytes](), None
        statement = select(table.c.covers, table.c.algorithm, table.c.token).where(table.c.number == point.number)
        for row in await connection.execute(statement.order_by(table.c.id)):
            try:
                token = parse_token(row.token)
                expected = imprint(point.digest, earlier, DigestAlgorithm(row.algorithm))
                if not row.covers == token.imprint == expected:
                    raise ValueError("it is over something else")
                self._anchors.path(token.tsu_certificate, token.certificates, token.gen_time)
            except (TimestampError, PathError, ValueError) as error:
                what = f"a timestamp of the checkpoint {point.number} is not valid: {error}"
                raise _BadError(Bad(what, point.first_seq, checkpoint=point.number)) from error
            earlier.append(row.token)
            newest = token.gen_time
        if newest is None and self._now - point.at > _UNANCHORED:
            what = f"the checkpoint {point.number} has no timestamp"
            raise _BadError(Bad(what, point.first_seq, checkpoint=point.number))
        self.verdict = replace(
            self.verdict,
            checkpoints=self.verdict.checkpoints + 1,
            anchored_until=newest or self.verdict.anchored_until,
        )

    async def _unchained(self, connection: AsyncConnection) -> None:
        missing = ~exists().where(chain.c.event_id == event.c.id)
        for row in await connection.execute(select(event.c.id, event.c.at).where(missing).order_by(event.c.id)):
            if self._now - row.at > _UNCHAINED:
                what = f"the event {row.id} is not in the chain: it was inserted past it, or the sequencer stands still"
                raise _BadError(Bad(what, event_id=row.id))
            self.verdict = replace(self.verdict, waiting=self.verdict.waiting + 1)


async def _links(connection: AsyncConnection) -> AsyncIterator[Row[Any]]:
    joined = chain.outerjoin(event, event.c.id == chain.c.event_id).outerjoin(
        personal, personal.c.event_id == chain.c.event_id
    )
    columns = (*event.c, personal.c.sealed, chain.c.seq, chain.c.event_id, chain.c.hash)
    last = -1
    while True:
        statement = select(*columns).select_from(joined).where(chain.c.seq > last).order_by(chain.c.seq).limit(_BATCH)
        rows = (await connection.execute(statement)).all()
        for row in rows:
            yield row
        if len(rows) < _BATCH:
            return
        last = rows[-1].seq


async def _checkpoints(connection: AsyncConnection) -> AsyncIterator[Checkpoint]:
    last = -1
    while True:
        statement = select(checkpoint).where(checkpoint.c.number > last).order_by(checkpoint.c.number).limit(_BATCH)
        rows = (await connection.execute(statement)).all()
        for row in rows:
            yield Checkpoint.of(row)
        if len(rows) < _BATCH:
            return
        last = rows[-1].number
