"""A model's active version: where its weights are and what it costs and finds.

Versions live in a compacted topic keyed by model; a tombstone removes one.
"""

import zlib
from datetime import datetime

import msgspec

from wire.cloudevents import EnvelopeCodec
from wire.errors import Rejected
from wire.names import is_name, name_rule

MODEL_TYPE = "framemeter.model.v1"
SIZE_CLASSES = ("n", "s", "m", "l", "x")
TASKS = ("detect", "segment", "pose", "classify", "obb")
SHA256_LENGTH = 64


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """Another version of a model that runs beside the active one, for some of its streams.

    `percent` (1..99) of the streams, always the same ones (`takes_canary`), are its share.
    """

    version: str
    source: str
    percent: int
    sha256: str = ""
    confidence: float = 0.25
    iou: float = 0.7


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """The version that was active before: what runs where the active one does not load."""

    version: str
    source: str
    sha256: str = ""
    confidence: float = 0.25
    iou: float = 0.7


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The active version of a model.

    `source` is a path to a `.pt` or OpenVINO `.xml` file, an https URL of one, or a name that
    Ultralytics knows (`yolov8s.pt`); `sha256` is what its bytes must have, "" when it is not known
    beforehand. `size_class` and `task` decide the price. `confidence` is the least score (0..1) of
    an object that is reported, `iou` the overlap (0..1) above which the weaker of two is dropped.
    """

    model: str
    version: str
    source: str
    size_class: str
    task: str = "detect"
    confidence: float = 0.25
    iou: float = 0.7
    sha256: str = ""
    canary: Canary | None = None
    former: Former | None = None


def takes_canary(spec: ModelSpec, stream: str) -> bool:
    """Say whether the frames of `stream` are the canary's; the same answer in every process."""
    if spec.canary is None:
        return False
    return zlib.crc32(f"{spec.model}/{stream}".encode()) % 100 < spec.canary.percent


def canary_of(spec: ModelSpec) -> ModelSpec:
    """Return the canary as a spec of its own, with the model's price terms."""
    assert spec.canary is not None, "the model has a canary"
    return _with(spec, spec.canary)


def former_of(spec: ModelSpec) -> ModelSpec | None:
    """Return the former version as a spec of its own, with the model's price terms."""
    return None if spec.former is None else _with(spec, spec.former)


def alone(spec: ModelSpec) -> ModelSpec:
    """Return the active version without those beside and before it."""
    return msgspec.structs.replace(spec, canary=None, former=None)


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
    if spec.sha256 and not _is_sha256(spec.sha256):
        raise Rejected(f"sha256 must be {SHA256_LENGTH} hexadecimal digits in lower case, or empty")
    if "://" in spec.source and not (spec.source.startswith("https://") and spec.sha256):
        raise Rejected("weights from a URL are fetched by https only, and need their sha256")
    if spec.canary is not None:
        if not 1 <= spec.canary.percent <= 99:
            raise Rejected(f"a canary takes 1 to 99 percent, not {spec.canary.percent}")
        if spec.canary.version == spec.version:
            raise Rejected(f"version {spec.version} is active: it cannot be its own canary")
        check(canary_of(spec))
    former = former_of(spec)
    if former is not None:
        if former.version == spec.version:
            raise Rejected(f"version {spec.version} is active: it cannot be its own former one")
        check(former)
    return spec


def _with(spec: ModelSpec, other: Canary | Former) -> ModelSpec:
    return msgspec.structs.replace(
        alone(spec),
        version=other.version,
        source=other.source,
        sha256=other.sha256,
        confidence=other.confidence,
        iou=other.iou,
    )


def _is_sha256(text: str) -> bool:
    return len(text) == SHA256_LENGTH and set(text) <= set("0123456789abcdef")


_CODEC = EnvelopeCodec(ModelSpec, event_type=MODEL_TYPE, source="framemeter/models")


def encode(spec: ModelSpec, *, at: datetime) -> bytes:
    """Return the message's value; its key is the model."""
    return _CODEC.encode(spec, event_id=f"{spec.model}@{spec.version}", subject=spec.model, time=at)


def decode(value: bytes | None) -> ModelSpec:
    """Return the checked spec; raise `Rejected` when the bytes are not a good one."""
    return check(_CODEC.decode(value).data)
