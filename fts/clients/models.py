"""The table of clients."""

from sqlalchemy import JSON, Boolean, Column, Integer, LargeBinary, String, Table

from fts.db.metadata import Moment, metadata

client = Table(
    "client",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("help_address", String(300), nullable=False),
    Column("secret_mac", LargeBinary(32), nullable=False),
    Column("return_urls", JSON, nullable=False),
    Column("webhook_url", String(2000)),
    Column("repair_allowed", Boolean, nullable=False),
    Column("retention_hours", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("suspended_at", Moment),
)
