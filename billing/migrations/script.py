"""Runs a file of SQL statements as a revision's body, inside the revision's transaction."""

from pathlib import Path

from alembic import op
from sqlalchemy.util import await_only

FOLDER = Path(__file__).parent.parent / "sql" / "migrations"


def run_script(name: str) -> None:
    """Execute every statement of `sql/migrations/<name>` on the migration's connection.

    SQLAlchemy prepares statements and so takes one at a time; the driver below it takes a script.
    """
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    await_only(driver.execute((FOLDER / name).read_text(encoding="utf-8")))
