"""The table of jobs."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table

from fts.db.metadata import Moment, metadata

job = Table(
    "job",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("client_id", String(32), nullable=False),
    Column("queue", String(16), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("key", String(200), unique=True),
    Column("state", String(8), nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("run_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("owner", String(64)),
    Column("lease_until", Moment),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Index("ix_job_queue_state_turn", "queue", "state", "turn"),
    Index("ix_job_client_id_queue", "client_id", "queue", "state"),
    sqlite_autoincrement=True,
)
