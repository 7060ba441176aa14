"""A detection: the result for one frame, as subscribers read it.

Every frame has exactly one, whatever its status; `objects` is empty unless it was detected or
cached. Boxes are in pixels of the published picture: `height` x `width`, or what `slices` make
of it (`wire.slicing.picture_size`).
"""

import msgspec

from wire.clock import Moment
from wire.cloudevents import Envelope, EnvelopeCodec
from wire.names import frame_id
from wire.slicing import Slices
from wire.usage import Status

DETECTION_TYPE = "framemeter.detection.v1"


class DetectedObject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object: its class, how sure the model is (0..1), and its box [x1, y1, x2, y2] in px.

    `mask` (task segment) is the outline as points [x, y] in px. `keypoints` (pose) are
    [x, y, confidence]. `corners` (obb) are the four points [x, y] of the turned box, which `box`
    encloses. Of a classified picture each of the best classes is an object as large as it is.
    """

    class_id: int
    class_name: str
    confidence: float
    box: tuple[float, float, float, float]
    mask: tuple[tuple[float, float], ...] = ()
    keypoints: tuple[tuple[float, float, float], ...] = ()
    corners: tuple[tuple[float, float], ...] = ()


class Detection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result for one frame. `reason` says why a frame was not detected."""

    account: str
    stream: str
    epoch: int
    seq: int
    captured_at: Moment
    detected_at: Moment
    status: Status
    model: str
    model_version: str
    task: str
    height: int
    width: int
    source_height: int
    source_width: int
    objects: tuple[DetectedObject, ...]
    reason: str | None = None
    slices: Slices | None = None

    @property
    def id(self) -> str:
        """The frame's id."""
        return frame_id(self.stream, self.epoch, self.seq)


_CODEC = EnvelopeCodec(Detection, event_type=DETECTION_TYPE, source="framemeter/detector")


def encode(detection: Detection, *, traceparent: str | None = None) -> bytes:
    """Return the message's value; its key is the stream."""
    return _CODEC.encode(
        detection,
        event_id=detection.id,
        subject=detection.stream,
        time=detection.detected_at,
        traceparent=traceparent,
    )


def decode(value: bytes | None) -> Detection:
    """Return the detection; raise `Rejected` when the bytes are not one."""
    return decode_envelope(value).data


def decode_envelope(value: bytes | None) -> Envelope[Detection]:
    """Return the detection with its envelope."""
    return _CODEC.decode(value)
