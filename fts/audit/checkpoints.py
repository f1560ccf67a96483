"""Checkpoints of the chain and the timestamps over them (FTS-AUD-2).

A checkpoint covers a stretch of the chain by a Merkle tree (RFC 9162, 2.1) whose entries are the hashes of its links.
An RFC 3161 token over its digest proves that all of them were there at that time. Before the key or the algorithm of a
token grows weak, a further token covers the digest and the tokens before (after RFC 4998, 5.2).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit import merkle
from fts.audit.chain import exclusive
from fts.audit.models import chain, checkpoint_token
from fts.audit.models import checkpoint as checkpoint_table
from fts.audit.service import canonical
from fts.db.database import Database
from fts.db.metadata import Moment
from timestamping.algorithms import DigestAlgorithm
from timestamping.token import check_imprint, parse_token

Timestamp = Callable[[bytes, DigestAlgorithm], Awaitable[bytes]]
"""Asks an authority for a token over an imprint: DER of the CMS ContentInfo.

Raises:
    TimestampError: there is none.
"""

MOST: Final = 10_000
"""Links that one checkpoint covers."""
_MOMENT: Final = Moment()
_OCTETS: Final = ("root", "head", "previous", "digest")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint."""

    number: int
    at: datetime
    first_seq: int
    last_seq: int
    last_event_id: int
    """Of the event at `last_seq`."""
    algorithm: str
    """Of the tree and of the digest."""
    root: bytes
    """Of the Merkle tree over the hashes of its links."""
    head: bytes
    """The last of them."""
    previous: bytes | None
    """Digest of the checkpoint before."""
    digest: bytes

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """Return the checkpoint of a row of its table."""
        return cls(*row)

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned; further members are ignored.

        Raises:
            ValueError: it is something else.
        """
        try:
            values = {name: members[name] for name in cls.__dataclass_fields__}
            values["at"] = _MOMENT.process_result_value(values["at"], None)  # type: ignore[arg-type]
            for name in _OCTETS:
                values[name] = None if values[name] is None else bytes.fromhex(values[name])
            read = cls(**values)
            sound = read.digest == read.computed()
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"no checkpoint: {error!r}") from error
        if not sound:
            raise ValueError("the checkpoint does not match its digest")
        return read

    def to_json(self) -> dict[str, Any]:
        """Return its members: `at` in microseconds since 1970, octets in hexadecimal."""
        values = asdict(self) | {"at": _MOMENT.process_bind_param(self.at, None)}  # type: ignore[arg-type]
        return {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}

    def computed(self) -> bytes:
        """Return the digest of all members but `digest`, in canonical JSON.

        Raises:
            ValueError: the algorithm is not one of ours.
        """
        members = self.to_json()
        del members["digest"]
        return DigestAlgorithm(self.algorithm).digest(canonical(members))


def imprint(digest: bytes, earlier: Iterable[bytes], algorithm: DigestAlgorithm) -> bytes:
    """Return what the next token of a checkpoint covers, given the tokens before it, oldest first."""
    tokens = b"".join(earlier)
    return algorithm.digest(digest + tokens) if tokens else digest


async def newest(connection: AsyncConnection) -> Checkpoint | None:
    """Return the newest checkpoint."""
    last = select(checkpoint_table).order_by(checkpoint_table.c.number.desc()).limit(1)
    row = (await connection.execute(last)).one_or_none()
    return None if row is None else Checkpoint.of(row)


async def checkpoint(database: Database, algorithm: str = "sha256") -> bool:
    """Make a checkpoint over the links since the last one, at most `MOST`; False where there are none."""
    async with database.write() as work:
        connection = work.connection
        await exclusive(connection)
        before = await newest(connection)
        done = 0 if before is None else before.last_seq
        links = select(chain.c.seq, chain.c.event_id, chain.c.hash).where(chain.c.seq > done)
        rows = (await connection.execute(links.order_by(chain.c.seq).limit(MOST))).all()
        if not rows:
            return False
        values = {
            "number": 1 if before is None else before.number + 1,
            "at": work.now,
            "first_seq": rows[0].seq,
            "last_seq": rows[-1].seq,
            "last_event_id": rows[-1].event_id,
            "algorithm": DigestAlgorithm(algorithm).value,
            "root": merkle.root_of((row.hash for row in rows), algorithm),
            "head": rows[-1].hash,
            "previous": None if before is None else before.digest,
        }
        digest = Checkpoint(**values, digest=b"").computed()
        await connection.execute(insert(checkpoint_table).values(**values, digest=digest))
    return True


async def anchor(database: Database, timestamp: Timestamp) -> int:
    """Get a token for each checkpoint that has none, oldest first; return how many there were.

    Raises:
        TimestampError: the authority gave none; what was got before is kept.
    """
    count = 0
    while True:
        async with database.read() as connection:
            row = await _first_bare(connection)
        if row is None:
            return count
        algorithm = DigestAlgorithm(row.algorithm)
        token = await _token(timestamp, row.digest, algorithm)
        count += await _keep(database, row.number, row.digest, algorithm, token, 0)


async def renew(database: Database, timestamp: Timestamp, algorithm: str, before: datetime) -> int:
    """Get a further token for each checkpoint whose newest is older than `before`; return how many there were.

    It covers the digest of the checkpoint and all its tokens so far, hashed by `algorithm` (after RFC 4998, 5.2).

    Raises:
        TimestampError: the authority gave none; what was got before is kept.
    """
    chosen, table, count, number = DigestAlgorithm(algorithm), checkpoint_token, 0, 0
    while True:
        old = select(table.c.number).where(table.c.number > number).group_by(table.c.number)
        old = old.having(func.max(table.c.at) < before).order_by(table.c.number).limit(1)
        async with database.read() as connection:
            found = (await connection.execute(old)).scalar_one_or_none()
            if found is None:
                return count
            number = found
            digest = await connection.scalar(
                select(checkpoint_table.c.digest).where(checkpoint_table.c.number == number)
            )
            tokens = await tokens_of(connection, number)
        if digest is None:
            continue
        covers = imprint(digest, tokens, chosen)
        token = await _token(timestamp, covers, chosen)
        count += await _keep(database, number, covers, chosen, token, len(tokens))


async def tokens_of(connection: AsyncConnection, number: int) -> list[bytes]:
    """Return the tokens of a checkpoint, oldest first."""
    table = checkpoint_token
    rows = await connection.execute(select(table.c.token).where(table.c.number == number).order_by(table.c.id))
    return list(rows.scalars())


async def _first_bare(connection: AsyncConnection) -> Row[Any, Any, Any] | None:
    """Return the first checkpoint without a token: they are anchored in order, so it is behind those that have one."""
    anchored = (await connection.execute(select(func.max(checkpoint_token.c.number)))).scalar_one_or_none() or 0
    table = checkpoint_table
    bare = select(table.c.number, table.c.digest, table.c.algorithm).where(table.c.number > anchored)
    return (await connection.execute(bare.order_by(table.c.number).limit(1))).one_or_none()


async def _token(timestamp: Timestamp, covers: bytes, algorithm: DigestAlgorithm) -> bytes:
    token = parse_token(await timestamp(covers, algorithm))
    check_imprint(token, {algorithm: covers})
    return token.der


async def _keep(
    database: Database, number: int, covers: bytes, algorithm: DigestAlgorithm, token: bytes, earlier: int
) -> bool:
    """Keep a token, unless somebody else was faster: `earlier` is how many there must be before it."""
    async with database.write() as work:
        connection = work.connection
        await exclusive(connection)
        table = checkpoint_token
        there = await connection.scalar(select(func.count()).select_from(table).where(table.c.number == number))
        if there != earlier:
            return False
        values = {"number": number, "at": work.now, "covers": covers, "algorithm": algorithm.value, "token": token}
        await connection.execute(insert(table).values(**values))
    return True
