"""The table of incidents: one row for all attempts of one kind, about one client, from one address, in one go."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table

from fts.db.metadata import Moment, metadata

incident = Table(
    "incident",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("client_id", String(32)),
    Column("open_mac", LargeBinary(32), unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("reported_at", Moment),
    Column("ended_at", Moment),
    Index("ix_incident_last_at", "last_at"),
)
"""`open_mac`: keyed hash of kind, client and address while the incident goes on; `sealed`: address and what was tried,
under the audit-custody key; `reported_at`: when the first report was handed to the mail server."""
