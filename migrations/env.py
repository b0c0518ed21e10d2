"""Alembic's entry: runs the migrations on the connection it is given."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=True, version_table="driftwarden_version")
with context.begin_transaction():
    context.run_migrations()
