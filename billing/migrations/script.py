"""Runs a file of SQL statements inside the migration's transaction."""

from pathlib import Path

from alembic import op
from sqlalchemy import Connection
from sqlalchemy.util import await_only

FOLDER = Path(__file__).parent.parent / "sql"


def run_script(name: str) -> None:
    """Execute every statement of `sql/migrations/<name>`, as a revision's body."""
    run_file(op.get_bind(), FOLDER / "migrations" / name)


def run_file(connection: Connection, path: Path) -> None:
    """Execute every statement of a file on the migration's connection.

    SQLAlchemy prepares statements and so takes one at a time; the driver below it takes a script.
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    await_only(driver.execute(path.read_text(encoding="utf-8")))
