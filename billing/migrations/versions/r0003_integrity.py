"""Seal transfers; let the running processes change nothing."""

from billing.migrations.script import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the script of this revision."""
    run_script("0003_integrity.sql")
