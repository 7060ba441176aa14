"""What the demo plays: its model, its four cameras, or a user's own from a file.

Two cameras show the same real footage at different moments, one of them over RTSP; two are drawn.
"""

from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cli import streamfile
from cli.models import weights_version
from samples.catalog import FOOTAGE, PARK_MODEL
from samples.scenes import ensure_scene
from wire.models import ModelSpec
from wire.streams import StreamSpec

ACCOUNT = "park"
FPS = 5.0
"""What people watch parks with; four cameras of it leave two ordinary cores room to breathe."""
RTSP_MOUNT = "gate"
FOOTAGE_OFFSET_S = 20.0
SCENE_SECONDS = 30.0
SCENE_SEEDS = {"meadow": 7, "pond": 11}
MAX_AGE_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The models to register, the cameras to play now, and those still being drawn."""

    account: str
    models: tuple[ModelSpec, ...]
    cameras: tuple[StreamSpec, ...]
    scenes: tuple[tuple[str, Future[Path]], ...] = ()

    @property
    def stream_names(self) -> tuple[str, ...]:
        """All streams, in the order in which they are shown."""
        return (*(spec.stream for spec in self.cameras), *(name for name, _ in self.scenes))


def park_model() -> ModelSpec:
    """Return the demo model of `samples/`."""
    source = str(PARK_MODEL.openvino)
    return ModelSpec(
        model=PARK_MODEL.name,
        version=weights_version(source),
        source=source,
        size_class=PARK_MODEL.size_class,
        confidence=PARK_MODEL.confidence,
    )


def park_camera(stream: str, source: str, *, account: str, start_s: float = 0.0) -> StreamSpec:
    """Return one of the demo's own cameras."""
    return StreamSpec(
        stream=stream,
        account=account,
        source=source,
        model=PARK_MODEL.name,
        height=PARK_MODEL.height,
        width=PARK_MODEL.width,
        fps=FPS,
        max_age_ms=MAX_AGE_MS,
        start_s=start_s,
    )


def park_plan(
    *, rtsp_url: str, scenes_folder: Path, pool: ProcessPoolExecutor, account: str, suffix: str
) -> Plan:
    """Return the demo's own four cameras; the drawn ones are ready when their futures are."""
    footage = str(FOOTAGE)
    return Plan(
        account=account,
        models=(park_model(),),
        cameras=(
            park_camera(f"gate{suffix}", rtsp_url, account=account),
            park_camera(f"plaza{suffix}", footage, account=account, start_s=FOOTAGE_OFFSET_S),
        ),
        scenes=tuple(
            (
                f"{name}{suffix}",
                pool.submit(ensure_scene, scenes_folder, seed=seed, seconds=SCENE_SECONDS),
            )
            for name, seed in SCENE_SEEDS.items()
        ),
    )


def user_plan(path: Path, *, account: str) -> Plan:
    """Return the cameras of a TOML file; the demo model is there for those that name it."""
    content = streamfile.read(path, account=account)
    return Plan(
        account=account,
        models=(park_model(), *content.models),
        cameras=content.streams,
    )
