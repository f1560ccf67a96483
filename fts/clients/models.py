"""The tables of clients, their credentials and what they used."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from fts.db.metadata import Moment, metadata

client = Table(
    "client",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("definition", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("applied_at", Moment, nullable=False),
    Column("suspended_at", Moment),
    Column("offboarded_at", Moment),
)
"""`definition`: the reviewed file (`fts.clients.definition.Definition`)."""

credential = Table(
    "credential",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("client_id", String(32), ForeignKey("client.id"), nullable=False),
    Column("mac", LargeBinary(32), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index("ix_credential_client_id", "client_id"),
)

usage = Table(
    "usage",
    metadata,
    Column("client_id", String(32), ForeignKey("client.id"), primary_key=True),
    Column("operation", String(16), primary_key=True),
    Column("day", Integer, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("full_at", Moment, nullable=False),
)
"""What a client used of an operation: `day` (days since 1970, UTC) with its count and octets; `full_at`, when the burst
will be there in full again."""
