"""Alembic's entry: the connection comes from `fts.db.migrate`."""

from alembic import context

from fts.db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
