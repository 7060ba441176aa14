"""What the detector is told by its environment."""

from pathlib import Path

from pydantic import Field, SecretStr

from wire.settings import WireSettings


class DetectorSettings(WireSettings):
    """Which engine, how large the batches, how much at once."""

    engine: str = Field(
        default="auto",
        description=(
            "auto, openvino, torch, onnx, tensorrt, or fake[:MS[-MS]] (a test engine with latency)"
        ),
    )
    engine_threads: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="CPU threads of the engine; 0 takes all cores, or a container's share of them",
    )
    models_folder: Path = Field(
        default=Path(), description="Where relative weights paths of the model registry start"
    )
    models_cache: Path = Field(
        default=Path(".framemeter/models"), description="Where converted weights are kept"
    )
    batch_size_max: int = Field(default=8, ge=1, le=256, description="The most frames in one batch")
    batch_wait_ms: int = Field(
        default=5, ge=0, le=1000, description="How long a frame waits for others to share its batch"
    )
    batches_ahead: int = Field(
        default=2,
        ge=1,
        le=16,
        description=(
            "Batches at work at once: in the engine, decoded for it, or being decoded; while"
            " priority frames come, one place is kept for them"
        ),
    )
    engine_calls: int = Field(
        default=2,
        ge=1,
        le=8,
        description="Calls of the engine at a time: 2 leave no gap between two batches",
    )
    engine_hang_s: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="How long one call of the engine may take before the process ends; 0: for ever",
    )
    cache_window_s: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="How long an identical picture costs nothing (status cached); 0: never so",
    )
    redis: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis or Valkey URL: balances are told there, results kept there",
    )
    decode_threads: int = Field(default=2, ge=1, le=64, description="Threads that decode JPEGs")
    in_flight_max: int = Field(
        default=512,
        ge=64,
        le=65_536,
        description=(
            "Frames that are taken and not yet committed, at most, beside 64 of each partition"
        ),
    )
