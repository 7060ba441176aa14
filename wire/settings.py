"""What every process is told by its environment (prefix `FRAMEMETER_`).

Packages extend `WireSettings` with their own; only `__main__.py` and `cli/` read them. What the
environment does not say may lie in a file of the variable's name, in small letters, in
`/run/secrets`, where container platforms put secrets.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from wire.topics import DEFAULT_PREFIX, Topics

SECRETS_FOLDER = Path("/run/secrets")


class WireSettings(BaseSettings):
    """Where Kafka is, how topics are named, how the process reports about itself."""

    model_config = SettingsConfigDict(
        env_prefix="FRAMEMETER_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    kafka: str = Field(default="127.0.0.1:9092", description="Kafka bootstrap servers, host:port,…")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to talk to Kafka"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How to log in to Kafka when the protocol is SASL_*"
    )
    kafka_username: str = Field(default="", description="Kafka user name (SASL)")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="Kafka password (SASL)")
    kafka_ca_file: str = Field(
        default="", description="CA certificates for Kafka's TLS; empty: system's"
    )
    topic_prefix: str = Field(default=DEFAULT_PREFIX, description="Start of every topic's name")
    partitions: int = Field(default=8, ge=1, le=1024, description="Partitions of the column topics")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level that is logged"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto is console on a terminal and JSON elsewhere"
    )
    metrics_host: str = Field(default="127.0.0.1", description="Where /metrics listens")
    metrics_port: int = Field(
        default=0, ge=0, le=65_535, description="Port of /metrics and /healthz; 0 turns them off"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the strongest first."""
        if not SECRETS_FOLDER.is_dir():
            return init_settings, env_settings
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, SECRETS_FOLDER)

    def topics(self) -> Topics:
        """Return the topics under the configured prefix."""
        return Topics(prefix=self.topic_prefix, partitions=self.partitions)
