"""Runs the steps on the connection that ``turnout.ledger.store.migrate`` holds; Alembic calls this file by its name."""

from __future__ import annotations

from alembic import context

from turnout.ledger.store import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("the ledger is migrated by turnout itself, when it starts; there is nothing to run by hand")
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite cannot alter most things in place; batch mode copies the table instead.
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
