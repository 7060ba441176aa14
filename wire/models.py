"""A model's active version: where its weights are and what it costs and finds.

Versions live in a compacted topic keyed by model; a tombstone removes one.
"""

from datetime import datetime

import msgspec

from wire.cloudevents import EnvelopeCodec
from wire.errors import Rejected
from wire.names import is_name, name_rule

MODEL_TYPE = "framemeter.model.v1"
SIZE_CLASSES = ("n", "s", "m", "l", "x")
TASKS = ("detect",)


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The active version of a model.

    `source` is a path to a `.pt` or OpenVINO `.xml` file or a name that Ultralytics knows
    (`yolov8s.pt`). `size_class` decides the price. `confidence` is the least score (0..1) of an
    object that is reported, `iou` the overlap (0..1) above which the weaker of two is dropped.
    """

    model: str
    version: str
    source: str
    size_class: str
    task: str = "detect"
    confidence: float = 0.25
    iou: float = 0.7


def check(spec: ModelSpec) -> ModelSpec:
    """Return the spec; raise `Rejected` with what is wrong with it and how to mend it."""
    if not is_name(spec.model):
        raise Rejected(name_rule("model", spec.model))
    if not is_name(spec.version):
        raise Rejected(name_rule("model version", spec.version))
    if spec.size_class not in SIZE_CLASSES:
        raise Rejected(f"size class {spec.size_class!r} must be one of {' '.join(SIZE_CLASSES)}")
    if spec.task not in TASKS:
        raise Rejected(f"task {spec.task!r} must be one of {' '.join(TASKS)}")
    if not spec.source:
        raise Rejected("source must name a weights file")
    if not (0 < spec.confidence < 1 and 0 < spec.iou <= 1):
        raise Rejected("confidence must lie between 0 and 1, iou over 0 and at most 1")
    return spec


_CODEC = EnvelopeCodec(ModelSpec, event_type=MODEL_TYPE, source="framemeter/models")


def encode(spec: ModelSpec, *, at: datetime) -> bytes:
    """Return the message's value; its key is the model."""
    return _CODEC.encode(spec, event_id=f"{spec.model}@{spec.version}", subject=spec.model, time=at)


def decode(value: bytes | None) -> ModelSpec:
    """Return the checked spec; raise `Rejected` when the bytes are not a good one."""
    return check(_CODEC.decode(value).data)
