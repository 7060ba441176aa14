"""Keep versions of models, their activations and their canaries."""

from billing.migrations.script import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the script of this revision."""
    run_script("0007_model_versions.sql")
