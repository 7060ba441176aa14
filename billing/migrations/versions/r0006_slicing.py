"""Keep into how many tiles a session's pictures are cut."""

from billing.migrations.script import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the script of this revision."""
    run_script("0006_slicing.sql")
