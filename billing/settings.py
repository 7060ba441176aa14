"""What the biller process is told by its environment (prefix `FRAMEMETER_`)."""

from pydantic import Field, SecretStr

from billing.growth import Retention
from billing.janitor import EXPIRY_SLACK_S, FRAME_AGE_S_MAX, Expiry
from wire.settings import WireSettings


class BillingSettings(WireSettings):
    """Where the ledger and its news go, and how late a vanished session is ended."""

    postgres: SecretStr = Field(
        default=SecretStr("postgresql://framemeter@127.0.0.1:5432/framemeter"),
        description="PostgreSQL DSN of the ledger",
    )
    redis: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis or Valkey URL: balances are told there, results kept there",
    )
    frame_age_max_s: float = Field(
        default=FRAME_AGE_S_MAX,
        gt=0,
        description="Greatest age at which a frame may still be detected, in seconds",
    )
    expiry_slack_s: float = Field(
        default=EXPIRY_SLACK_S,
        ge=0,
        description="Seconds added to it before a vanished session frees its tokens",
    )
    webhook_private_addresses: bool = Field(
        default=False,
        description="Allow webhooks in private networks and without TLS (tests, closed networks)",
    )

    usage_retention_months: int = Field(
        default=0,
        ge=0,
        le=1_200,
        description="Whole months of usage by the minute that are kept; sums by the hour stay for"
        " good; 0 keeps all",
    )
    transfer_retention_months: int = Field(
        default=0,
        ge=0,
        le=1_200,
        description="Whole months of single transfers that are kept; their sums stay for good; 0"
        " keeps all",
    )

    def retention(self) -> Retention:
        """Return how long old months are kept."""
        return Retention(
            usage_months=self.usage_retention_months,
            transfer_months=self.transfer_retention_months,
        )

    def expiry(self) -> Expiry:
        """Return how late is safe for the janitor."""
        return Expiry(
            usage_topic=self.topics().usage,
            frame_age_s=self.frame_age_max_s,
            slack_s=self.expiry_slack_s,
        )
