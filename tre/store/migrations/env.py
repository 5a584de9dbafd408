"""What Alembic runs: upgrade the connection that `tre.store.migrate` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from tre.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
