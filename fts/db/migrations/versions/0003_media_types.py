"""The media type of documents: until here all were PDF."""

import sqlalchemy as sa
from alembic import op

revision = "gateway3"
down_revision = "gateway2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what is there already is PDF."""
    column = sa.Column("media_type", sa.String(length=100), nullable=False, server_default="application/pdf")
    op.add_column("document", column)
