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
    Column("key_id", String(32), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("media_type", String(100), nullable=False, server_default="application/pdf"),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("object", String(200), nullable=False),
    Column("effective_object", String(200)),
    Column("effective_sha256", LargeBinary(32)),
    Column("pages", Integer),
    Column("signatures", Integer),
    Column("sealed", LargeBinary, nullable=False),
    Column("repair_allowed", Boolean, nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("ix_document_expires_at", "expires_at"),
)
"""`effective_*`: what is shown and signed: the upload, or its rewritten form. `sealed`: name, repair and problem, under
the document's key."""

preview = Table(
    "preview",
    metadata,
    Column("client_id", String(32), primary_key=True),
    Column("document_id", String(64), primary_key=True),
    Column("page", Integer, primary_key=True),
    Column("image_object", String(200)),
    Column("text_object", String(200)),
    Column("problem", String(64)),
    ForeignKeyConstraint(["client_id", "document_id"], ["document.client_id", "document.id"], ondelete="CASCADE"),
)

destruction = Table(
    "destruction",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("client_id", String(32), nullable=False),
    Column("document_id", String(64), nullable=False),
    Column("objects", JSON, nullable=False),
    Column("ordered_at", Moment, nullable=False),
)
"""Documents whose rows are gone and whose key and objects are about to be: the order stands until it is done."""
