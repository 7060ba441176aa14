"""Make tariffs data: versions, plans, re-ratings."""

from billing.migrations.script import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the script of this revision."""
    run_script("0004_tariffs.sql")
