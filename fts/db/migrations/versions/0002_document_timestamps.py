"""Timestamps on stored documents."""

import sqlalchemy as sa
from alembic import op

from fts.db.metadata import Moment

revision = "gateway2"
down_revision = "gateway1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "document_timestamp",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("document_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("form", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("idempotency_mac", sa.LargeBinary(length=32), nullable=True),
        sa.Column("request_mac", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("result_object", sa.String(length=200), nullable=True),
        sa.Column("result_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("result_size", sa.BigInteger(), nullable=True),
        sa.Column("gen_time", Moment(), nullable=True),
        sa.Column("authority", sa.String(length=1000), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id", "document_id"],
            ["document.client_id", "document.id"],
            name=op.f("fk_document_timestamp_client_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_timestamp")),
        sa.UniqueConstraint(
            "client_id", "idempotency_mac", name=op.f("uq_document_timestamp_client_id_idempotency_mac")
        ),
    )
    op.create_index(
        "ix_document_timestamp_client_id_document_id", "document_timestamp", ["client_id", "document_id"], unique=False
    )
