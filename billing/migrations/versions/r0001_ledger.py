"""Create the ledger: accounts, sessions, coverage, balances, transfers, positions."""

from billing.migrations.script import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the script of this revision."""
    run_script("0001_ledger.sql")
