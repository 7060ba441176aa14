"""Alembic's entry: runs the revisions on the connection that `billing.database` hands over.

One transaction around all of them and the grants, under an advisory lock, so that processes that
start together take turns and the later ones find nothing to do.
"""

from alembic import context
from sqlalchemy import Connection, text

from billing.migrations.script import FOLDER, run_file

MIGRATION_LOCK = 0x66726D65746D6967


def run() -> None:
    """Upgrade in one locked transaction."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()
        run_file(connection, FOLDER / "grants.sql")


run()
