"""What a producer is told by its environment."""

from pydantic import Field, SecretStr

from wire.settings import WireSettings


class PipelineSettings(WireSettings):
    """Where sessions are funded, with which key, and how many threads pack pictures."""

    gateway: str = Field("http://127.0.0.1:8000", description="The gateway's URL")
    key: SecretStr = Field(
        SecretStr(""), description="API key of the scope `sessions`; an operator's for all accounts"
    )
    encoders: int = Field(
        0, ge=0, le=256, description="Threads that pack pictures; 0: one for each processor"
    )
