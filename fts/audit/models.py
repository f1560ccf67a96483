"""The table of events: rows are inserted, never changed or deleted (the database refuses it, see the migration)."""

from sqlalchemy import JSON, Column, Index, Integer, String, Table

from fts.db.metadata import Moment, metadata

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("actor", String(16), nullable=False),
    Column("address", String(64)),
    Column("reference", String(64)),
    Column("client_id", String(32)),
    Column("document_id", String(64)),
    Column("signing_id", String(32)),
    Column("data", JSON, nullable=False),
    Index("ix_event_signing_id", "signing_id"),
    Index("ix_event_client_id_document_id", "client_id", "document_id"),
    sqlite_autoincrement=True,
)
