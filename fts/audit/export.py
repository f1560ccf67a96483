"""A bundle of a transaction's events that verifies without us: with its script and openssl (FTS-AUD-1, FTS-AUD-2)."""

import json
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.chain import FIRST
from fts.audit.checkpoints import Checkpoint
from fts.audit.merkle import inclusion_proof
from fts.audit.models import chain, checkpoint, checkpoint_token
from fts.audit.service import Actor, Event, record, trail
from fts.db.database import Database
from fts.errors import RefusalError
from fts.keyring import Keyring
from timestamping.token import parse_token

Tokens = list[tuple[str, bytes]]
"""Tokens of a checkpoint, oldest first: algorithm, DER."""

_SCRIPT: Final = Path(__file__).with_name("verify_bundle.py")
_README: Final = """\
Audit records of a transaction.

events.json       each event: header, personal part with its salt (unless it was removed), number in the chain, hash of
                  the link before it, proof that its link is in the Merkle tree of its checkpoint
checkpoints.json  the checkpoints, with their digests and the files of their timestamps, oldest first
tokens/           RFC 3161 tokens (CMS, DER)
certificates.pem  certificates of the timestamping authorities, from the tokens
anchors.pem       the roots that were trusted when this was exported; replace them with those that you trust
verify_bundle.py  verifies all of it: python3 verify_bundle.py

One timestamp by hand, DIGEST being `digest` of its checkpoint and SECONDS the time that the token shows, since 1970:
openssl ts -reply -token_in -in tokens/N-1.tst -token_out -text
openssl ts -verify -digest DIGEST -in tokens/N-1.tst -token_in -attime SECONDS -CAfile anchors.pem \
    -untrusted certificates.pem
"""


async def bundle(
    database: Database,
    keyring: Keyring,
    trust: list[x509.Certificate],
    actor: Actor,
    directory: Path,
    **wanted: str | None,
) -> int:
    """Write the bundle of `signing_id`, or of `client_id` and `document_id`, and return how many events it has.

    Who read the trail afterwards is left out.

    Raises:
        RefusalError: BUNDLE_EMPTY, BUNDLE_NOT_READY, FILE_EXISTS.
    """
    found = await trail(database, keyring, **wanted)
    events = [event for event in found if not event.kind.startswith("trail.")]
    if not events:
        raise empty()
    async with database.write() as work:
        await record(work, "trail.exported", actor, **wanted, events=len(events))
    async with database.read() as connection:
        records, points = await _proved(connection, events)
        tokens = {number: await _tokens(connection, number) for number in points}
    bare = [number for number, found in tokens.items() if not found]
    if bare:
        raise _not_ready(f"the checkpoint {bare[0]} has no timestamp yet")
    write_bundle(directory, records, points, tokens, trust)
    return len(records)


async def _proved(
    connection: AsyncConnection, events: list[Event]
) -> tuple[list[dict[str, Any]], dict[int, Checkpoint]]:
    records, points = list[dict[str, Any]](), dict[int, Checkpoint]()
    leaves: dict[int, list[bytes]] = {}
    for event in events:
        seq = await connection.scalar(select(chain.c.seq).where(chain.c.event_id == event.id))
        if seq is None:
            raise _not_ready(f"the event {event.id} is not in the chain yet")
        covering = select(checkpoint).where(checkpoint.c.first_seq <= seq, checkpoint.c.last_seq >= seq)
        row = (await connection.execute(covering)).one_or_none()
        if row is None:
            raise _not_ready(f"the event {event.id} is in no checkpoint yet")
        point = Checkpoint.of(row)
        points[point.number] = point
        if point.number not in leaves:
            stretch = select(chain.c.hash).where(chain.c.seq.between(point.first_seq, point.last_seq))
            leaves[point.number] = list((await connection.execute(stretch.order_by(chain.c.seq))).scalars())
        before = await connection.scalar(select(chain.c.hash).where(chain.c.seq == seq - 1))
        proof = inclusion_proof(leaves[point.number], seq - point.first_seq, point.algorithm)
        personal = None
        if event.personal is not None and event.salt is not None:
            personal = {"salt": event.salt.hex(), "content": event.personal}
        records.append(
            {
                "header": event.header(),
                "personal": personal,
                "seq": seq,
                "previous": (before or FIRST).hex(),
                "checkpoint": point.number,
                "proof": [node.hex() for node in proof],
            }
        )
    return records, points


async def _tokens(connection: AsyncConnection, number: int) -> Tokens:
    table = checkpoint_token
    statement = select(table.c.algorithm, table.c.token).where(table.c.number == number).order_by(table.c.id)
    return [(row.algorithm, row.token) for row in await connection.execute(statement)]


def empty() -> RefusalError:
    """Return the refusal where nothing is found."""
    return RefusalError("BUNDLE_EMPTY", "there are no such events", "Check client, document and signing.")


def write_bundle(
    directory: Path,
    records: list[dict[str, Any]],
    points: dict[int, Checkpoint],
    tokens: dict[int, Tokens],
    trust: list[x509.Certificate],
) -> None:
    """Write a bundle.

    Args:
        directory: made for it.
        records: each event's header, personal part, number, hash before it, checkpoint and proof.
        points: the checkpoints by number.
        tokens: their tokens, oldest first.
        trust: roots of the timestamping authorities.

    Raises:
        RefusalError: FILE_EXISTS.
    """
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        message = f"{directory.name} is there already"
        raise RefusalError("FILE_EXISTS", message, "Name a folder that does not exist.") from error
    (directory / "tokens").mkdir()
    described, certificates = [], dict[bytes, None]()
    for number, point in sorted(points.items()):
        files = []
        for index, (algorithm, der) in enumerate(tokens[number], start=1):
            name = f"{number}-{index}.tst"
            (directory / "tokens" / name).write_bytes(der)
            files.append({"file": name, "algorithm": algorithm})
            certificates |= dict.fromkeys(c.public_bytes(Encoding.PEM) for c in parse_token(der).certificates)
        described.append({**point.to_json(), "tokens": files})
    (directory / "events.json").write_text(json.dumps(records, indent=1))
    (directory / "checkpoints.json").write_text(json.dumps(described, indent=1))
    (directory / "certificates.pem").write_bytes(b"".join(certificates))
    (directory / "anchors.pem").write_bytes(b"".join(anchor.public_bytes(Encoding.PEM) for anchor in trust))
    (directory / "README.txt").write_text(_README)
    (directory / "verify_bundle.py").write_bytes(_SCRIPT.read_bytes())


def _not_ready(what: str) -> RefusalError:
    return RefusalError("BUNDLE_NOT_READY", what, "Wait for the next checkpoint (a minute); see fts audit verify.")
