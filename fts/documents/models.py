"""The tables of documents and of their previews."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from fts.db.metadata import Moment, metadata

document = Table(
    "document",
    metadata,
    Column("client_id", String(32), ForeignKey("client.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("object", String(200), nullable=False),
    Column("effective_object", String(200)),
    Column("effective_sha256", LargeBinary(32)),
    Column("pages", Integer),
    Column("signatures", Integer),
    Column("repair", JSON),
    Column("problem", JSON),
    Column("repair_allowed", Boolean, nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("ix_document_expires_at", "expires_at"),
)
"""`effective_*`: what is shown and signed: the upload, or its rewritten form."""

preview = Table(
    "preview",
    metadata,
    Column("client_id", String(32), primary_key=True),
    Column("document_id", String(64), primary_key=True),
    Column("page", Integer, primary_key=True),
    Column("image_object", String(200)),
    Column("text_object", String(200)),
    Column("problem", JSON),
    ForeignKeyConstraint(["client_id", "document_id"], ["document.client_id", "document.id"], ondelete="CASCADE"),
)
