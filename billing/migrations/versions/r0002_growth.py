"""Part transfers and usage by month; keep sums by the hour."""

from billing.migrations.script import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the script of this revision."""
    run_script("0002_growth.sql")
