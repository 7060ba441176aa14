"""Say what a stream does while billing is away, and who hears of a low balance."""

from billing.migrations.script import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the script of this revision."""
    run_script("0005_funding.sql")
