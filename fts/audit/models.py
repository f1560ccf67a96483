"""The tables of the trail: rows are inserted, never changed (the database refuses it, see the migration).

Only the personal part of an event may be removed; the chain holds its digest and stays verifiable.
"""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from fts.db.metadata import Moment, metadata

event = Table(
    "event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("actor", String(16), nullable=False),
    Column("reference", String(64)),
    Column("client_id", String(32)),
    Column("document_id", String(64)),
    Column("signing_id", String(32)),
    Column("data", JSON, nullable=False),
    Column("personal_sha256", LargeBinary(32)),
    Index("ix_event_signing_id", "signing_id"),
    Index("ix_event_client_id_document_id", "client_id", "document_id"),
    Index("ix_event_at", "at"),
    sqlite_autoincrement=True,
)
"""`personal_sha256`: SHA-256 over salt and personal part, where there is one."""

personal = Table(
    "personal",
    metadata,
    Column("event_id", BigInteger, ForeignKey("event.id"), primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("signer_mac", LargeBinary(32)),
    Index("ix_personal_signer_mac", "signer_mac"),
)
"""`sealed`: salt and personal part under the audit-custody key; `signer_mac`: to search by identification number."""

chain = Table(
    "chain",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", BigInteger, nullable=False, unique=True),
    Column("hash", LargeBinary(32), nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("last_event_id", BigInteger, nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("root", LargeBinary(64), nullable=False),
    Column("head", LargeBinary(32), nullable=False),
    Column("previous", LargeBinary(64)),
    Column("digest", LargeBinary(64), nullable=False),
)
"""A stretch of the chain: `root` of the Merkle tree (RFC 9162, 2.1) over its hashes, `head` the last of them."""

checkpoint_token = Table(
    "checkpoint_token",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("number", BigInteger, ForeignKey("checkpoint.number"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("covers", LargeBinary(64), nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("token", LargeBinary, nullable=False),
    Index("ix_checkpoint_token_number", "number"),
    sqlite_autoincrement=True,
)
"""Tokens (RFC 3161) of a checkpoint, oldest first; `covers` is the imprint: the checkpoint's digest, or, for a renewal,
a digest over it and the tokens before (RFC 4998, 5.2)."""
