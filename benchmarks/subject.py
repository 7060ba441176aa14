"""The models that benchmarks run: the shipped one, or an architecture of Ultralytics by name.

Weights of the latter are random (`random_weights`), so no figure says anything about what they
find; their work is that of the real ones.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.pictures import CAMERA, packed_pictures
from benchmarks.random_weights import CONFIDENCE, random_weights
from benchmarks.record import Fields
from billing.tariff import size_class_of
from cli.demo.plan import park_model
from cli.models import weights_version
from samples.catalog import PARK_MODEL
from wire.errors import Misconfigured
from wire.models import ModelSpec
from wire.streams import StreamSpec

SIDE = 640
RANDOM = "random weights"
GIGAFLOPS_640 = {
    "yolov8n": 8.7,
    "yolov8s": 28.6,
    "yolov8m": 78.9,
    "yolov8l": 165.2,
    "yolov8x": 257.8,
    "yolo11n": 6.5,
    "yolo11s": 21.5,
    "yolo11m": 68.0,
    "yolo11l": 86.9,
    "yolo11x": 194.9,
    PARK_MODEL.name: 6.5,
}
"""Floating-point operations of one 640x640 picture, as Ultralytics publishes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One model, its pictures, and its checkpoint for Ultralytics' own `predict`."""

    spec: ModelSpec
    camera: StreamSpec
    checkpoint: Path
    packed: tuple[bytes, ...]
    weights: str
    objects: float | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.model

    @property
    def height(self) -> int:
        """The inference height (px)."""
        return self.camera.height

    @property
    def width(self) -> int:
        """The inference width (px)."""
        return self.camera.width

    @property
    def gigaflops(self) -> float | None:
        """Floating-point operations of one picture; None where nobody published them."""
        return gigaflops(self.name, self.height, self.width)

    def described(self) -> Fields:
        """Return what a record says of it."""
        return {
            "model": self.name,
            "height": self.height,
            "width": self.width,
            "weights": self.weights,
            "confidence": self.spec.confidence,
        }


def gigaflops(model: str, height: int, width: int) -> float | None:
    """Return the published operations of a model, scaled to a size; None for unknown ones."""
    known = GIGAFLOPS_640.get(model)
    return None if known is None else round(known * height * width / SIDE**2, 3)


async def subject(name: str, folder: Path) -> Subject:
    """Return a model by name; random weights are made once and kept in `folder`."""
    if name == PARK_MODEL.name:
        return Subject(
            spec=park_model(),
            camera=CAMERA,
            checkpoint=PARK_MODEL.weights,
            packed=tuple(packed_pictures()),
            weights="trained",
        )
    size_class = size_class_of(name)
    if size_class is None:
        raise Misconfigured(
            f"{name} is no model of a benchmark: name {PARK_MODEL.name}, or an architecture such"
            " as yolov8s"
        )
    camera = msgspec.structs.replace(CAMERA, model=name, height=SIDE, width=SIDE)
    packed = tuple(packed_pictures(camera))
    checkpoint = folder / f"{name}.pt"
    objects = None
    if not checkpoint.exists():
        objects = await random_weights(name, checkpoint, packed)
    spec = ModelSpec(
        model=name,
        version=weights_version(str(checkpoint)),
        source=str(checkpoint),
        size_class=size_class,
        confidence=CONFIDENCE,
    )
    return Subject(
        spec=spec,
        camera=camera,
        checkpoint=checkpoint,
        packed=packed,
        weights=RANDOM,
        objects=objects,
    )
