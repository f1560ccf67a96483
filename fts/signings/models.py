"""The table of signings."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from fts.db.metadata import Moment, metadata

signing = Table(
    "signing",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("client_id", String(32), nullable=False),
    Column("document_id", String(64), nullable=False),
    Column("document_sha256", LargeBinary(32), nullable=False),
    Column("idempotency_mac", LargeBinary(32)),
    Column("request_mac", LargeBinary(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("profile", String(16), nullable=False),
    Column("language", String(2)),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("deadline", Moment, nullable=False),
    Column("session_mac", LargeBinary(32)),
    Column("digest", LargeBinary(64)),
    Column("digest_algorithm", String(8)),
    Column("signature_algorithm", LargeBinary),
    Column("prepared_object", String(200)),
    Column("accepted_at", Moment),
    Column("ended_at", Moment),
    Column("result_object", String(200)),
    Column("result_sha256", LargeBinary(32)),
    Column("result_size", BigInteger),
    Column("level", String(4)),
    Column("signed_at", Moment),
    Column("archived_at", Moment),
    ForeignKeyConstraint(["client_id", "document_id"], ["document.client_id", "document.id"]),
    UniqueConstraint("client_id", "idempotency_mac"),
    Index("ix_signing_state_deadline", "state", "deadline"),
    Index("ix_signing_client_id_document_id", "client_id", "document_id"),
)
"""`sealed`: who may sign, who signs, their certificate and answer, the client's state
(`fts.signings.store.Personal`), under the document's key."""
