"""What the gateway is told by its environment (prefix `FRAMEMETER_`)."""

import re
import socket

from pydantic import Field, SecretStr

from gateway.virtual_streams import REPLICA_LENGTH_MAX
from wire.settings import WireSettings

_NOT_IN_NAMES = re.compile(r"[^a-z0-9-]+")


class GatewaySettings(WireSettings):
    """One replica of the gateway."""

    host: str = Field(default="127.0.0.1", description="Where HTTP listens")
    port: int = Field(default=8000, ge=1, le=65_535, description="Port of HTTP")
    replica: str = Field(
        default="",
        pattern=rf"^([a-z0-9][a-z0-9-]{{0,{REPLICA_LENGTH_MAX - 1}}})?$",
        description="Name of this replica, unlike every other's; empty: host name and port",
    )
    postgres: SecretStr = Field(
        default=SecretStr("postgresql://framemeter@127.0.0.1:5432/framemeter"),
        description="PostgreSQL DSN of the ledger",
    )
    redis: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis or Valkey URL: balances are told there, results kept there",
    )
    pool_size: int = Field(default=10, ge=1, le=200, description="Database connections, at most")
    session_ttl_s: float = Field(
        default=60.0, gt=0, le=3600, description="How long a session lives without a renewal"
    )
    detect_model: str = Field(
        default="", description="Model of images that name none; empty: they are refused"
    )
    detect_timeout_s: float = Field(
        default=15.0, gt=0, le=300, description="How long a caller waits for a detection, at most"
    )
    detect_max_age_ms: int = Field(
        default=10_000,
        ge=1,
        le=600_000,
        description="Age from which an image is not worth inferring",
    )
    detect_running_max: int = Field(
        default=128, ge=1, le=10_000, description="Images being worked on at once, at most"
    )
    detect_jpeg_quality: int = Field(
        default=90, ge=1, le=100, description="JPEG quality of images on their way to the detector"
    )
    image_bytes_max: int = Field(
        default=16 * 1024 * 1024, ge=1024, description="Size of an image, sent or fetched, at most"
    )
    image_pixels_max: int = Field(
        default=50_000_000, ge=1024, description="Height times width of an image, at most"
    )
    fetch_timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="How long fetching an image_url may take"
    )
    fetch_private: bool = Field(
        default=False, description="Allow image_url to lead into private networks (tests only)"
    )
    webhook_private_addresses: bool = Field(
        default=False,
        description="Allow webhooks in private networks and without TLS (tests, closed networks)",
    )
    lines_max: int = Field(
        default=500, ge=1, le=100_000, description="Virtual streams of this replica, at most"
    )
    line_idle_s: float = Field(
        default=10.0, gt=0, description="After how long without an image a virtual stream is closed"
    )

    def replica_name(self) -> str:
        """Return this replica's name, made of host name and port unless it is given."""
        if self.replica:
            return self.replica
        suffix = f"-{self.port}"
        host = _NOT_IN_NAMES.sub("-", socket.gethostname().lower()).strip("-") or "gateway"
        return host[: REPLICA_LENGTH_MAX - len(suffix)] + suffix
