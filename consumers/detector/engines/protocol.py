"""What the detector asks of an engine: one model, loaded, with its thresholds.

Called from worker threads only, from at most a few at a time; an engine that is not safe for
that serialises its calls itself. It holds no state between batches.
"""

from dataclasses import dataclass
from typing import Protocol

from consumers.detector.decode import Pictures
from wire.detections import DetectedObject
from wire.models import ModelSpec

Objects = tuple[DetectedObject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Which objects are reported: least confidence (0..1), and overlap (0..1) of duplicates."""

    confidence: float
    iou: float

    @classmethod
    def of(cls, spec: ModelSpec) -> "Thresholds":
        """Return those of a model's spec."""
        return cls(confidence=spec.confidence, iou=spec.iou)


class Engine(Protocol):
    """One loaded model."""

    @property
    def name(self) -> str:
        """Name the engine and its precision, such as `openvino-bf16`."""
        ...

    def prepare(self, height: int, width: int) -> None:
        """Compile and warm up for pictures of this size; repeating it costs nothing.

        Raises `Rejected` when the model cannot take them.
        """
        ...

    def infer(self, pictures: Pictures) -> list[Objects]:
        """Return the objects of each picture; the size was prepared."""
        ...


class Loader(Protocol):
    """Where engines come from."""

    def load(self, spec: ModelSpec) -> Engine:
        """Load a model; raise `Rejected` when its source cannot be used, and say why."""
        ...
