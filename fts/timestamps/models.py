"""The table of timestamps on stored documents."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from fts.db.metadata import Moment, metadata

timestamp = Table(
    "document_timestamp",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("client_id", String(32), nullable=False),
    Column("document_id", String(64), nullable=False),
    Column("document_sha256", LargeBinary(32), nullable=False),
    Column("form", String(8), nullable=False),
    Column("digest", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("idempotency_mac", LargeBinary(32)),
    Column("request_mac", LargeBinary(32), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("result_object", String(200)),
    Column("result_sha256", LargeBinary(32)),
    Column("result_size", BigInteger),
    Column("gen_time", Moment),
    Column("authority", String(1000)),
    Column("problem", JSON),
    ForeignKeyConstraint(["client_id", "document_id"], ["document.client_id", "document.id"]),
    UniqueConstraint("client_id", "idempotency_mac"),
    Index("ix_document_timestamp_client_id_document_id", "client_id", "document_id"),
)
"""`document_sha256`: what is timestamped, pinned. `state`: stamping, ready or failed, with `problem`."""
