"""What the detector asks of an engine: one model, loaded, with its thresholds.

Called from worker threads only, from at most a few at a time; an engine that is not safe for
that serialises its calls itself. It holds no state between batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from consumers.detector.decode import Pictures
from wire.detections import DetectedObject
from wire.models import ModelSpec

Objects = tuple[DetectedObject, ...]

Batched = Pictures | Any
"""A batch that has a length and can be sliced: `Pictures`, or a tensor of an engine's decoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """Decoded pictures of one size, and for each JPEG what is wrong with it: None when nothing."""

    pictures: Batched
    faults: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Which objects are reported: least confidence (0..1), and overlap (0..1) of duplicates.

    An end-to-end model finds nothing twice: of it only the confidence is asked.
    """

    confidence: float
    iou: float

    @classmethod
    def of(cls, spec: ModelSpec) -> "Thresholds":
        """Return those of a model's spec."""
        return cls(confidence=spec.confidence, iou=spec.iou)


class Decoder(Protocol):
    """Unpacks JPEGs on the engine's own device."""

    def decode(self, packed: Sequence[bytes], height: int, width: int) -> Unpacked:
        """Return the pictures that are whole and `height` x `width`, and what is wrong with others.

        As strict as `consumers.detector.decode.decode_into`.
        """
        ...


class Engine(Protocol):
    """One loaded model."""

    @property
    def name(self) -> str:
        """Name the engine and its precision, such as `openvino-bf16`."""
        ...

    @property
    def task(self) -> str:
        """Name what the model does: one of `wire.models.TASKS`."""
        ...

    @property
    def classes(self) -> Sequence[str]:
        """Name the model's classes, by class id."""
        ...

    @property
    def decoder(self) -> Decoder | None:
        """Return the engine's own decoder; None when it takes pictures in main memory."""
        ...

    def prepare(self, height: int, width: int) -> None:
        """Compile and warm up for pictures of this size; repeating it costs nothing.

        Raises `Rejected` when the model cannot take them.
        """
        ...

    def infer(self, pictures: Batched) -> list[Objects]:
        """Return the objects of each picture; the size was prepared.

        `pictures` are [N, height, width, 3] BGR bytes, or what the engine's decoder made.
        """
        ...


class Loader(Protocol):
    """Where engines come from."""

    def fetch(self, spec: ModelSpec) -> None:
        """Bring weights that a URL names here, before they are loaded.

        Raises `Retryable` when the server is away, `Rejected` when asking again cannot help.
        """
        ...

    def load(self, spec: ModelSpec) -> Engine:
        """Load a model; raise `Rejected` when its source cannot be used, and say why."""
        ...
