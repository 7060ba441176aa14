"""A stream's spec: what a camera is, whose it is and how it is to be watched.

Specs live in a compacted topic keyed by stream; a tombstone removes one.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from wire import slicing
from wire.cloudevents import EnvelopeCodec
from wire.errors import Rejected
from wire.frames import MAX_AGE_MS_MAX, SIDE_STEP, Tier, is_inference_size
from wire.names import VIRTUAL_STREAM_PREFIX, is_name, name_rule
from wire.slicing import Slices

STREAM_TYPE = "framemeter.stream.v1"
SOURCE_LENGTH_MAX = 2048
FPS_MAX = 240.0


class Pace(StrEnum):
    """How fast a file is played. Live sources set their own pace."""

    REALTIME = "realtime"
    FAST = "fast"


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One camera.

    `source` is a file path or a URL (rtsp, rtsps, http, https, file). `fps` is how many frames a
    second are wanted, at most. `height` and `width` are the inference size in px, of each tile
    where the picture is cut into `slices`. `start_s`, `loop` and `pace` matter to files only.
    `quality` is the JPEG's. `motion` is the share (0..1) of the picture that must have changed for
    a frame to be published; 0 publishes all.
    """

    stream: str
    account: str
    source: str
    model: str
    height: int
    width: int
    fps: float
    tier: Tier = Tier.STANDARD
    max_age_ms: int = 5_000
    quality: int = 85
    start_s: float = 0.0
    loop: bool = True
    pace: Pace = Pace.REALTIME
    slices: Slices | None = None
    motion: float = 0.0


def check(spec: StreamSpec) -> StreamSpec:
    """Return the spec; raise `Rejected` with what is wrong with it and how to mend it."""
    for kind, name in (("stream", spec.stream), ("account", spec.account), ("model", spec.model)):
        if not is_name(name):
            raise Rejected(name_rule(kind, name))
    if spec.stream.startswith(VIRTUAL_STREAM_PREFIX):
        raise Rejected(f"stream names of the form {VIRTUAL_STREAM_PREFIX}* belong to gateways")
    if not 0 < len(spec.source) <= SOURCE_LENGTH_MAX:
        raise Rejected(f"source must have 1 to {SOURCE_LENGTH_MAX} characters")
    if not is_inference_size(spec.height, spec.width):
        raise Rejected(
            f"inference size {spec.height}x{spec.width} must be multiples of {SIDE_STEP}"
        )
    if not 0 < spec.fps <= FPS_MAX:
        raise Rejected(f"fps {spec.fps} must be over 0 and at most {FPS_MAX}")
    if not 1 <= spec.max_age_ms <= MAX_AGE_MS_MAX:
        raise Rejected(f"max_age_ms {spec.max_age_ms} must be 1 to {MAX_AGE_MS_MAX}")
    if not 1 <= spec.quality <= 100:
        raise Rejected(f"quality {spec.quality} must be 1 to 100")
    if not 0 <= spec.start_s < float("inf"):
        raise Rejected(f"start_s {spec.start_s} must be 0 or more")
    if spec.slices is not None:
        slicing.check(spec.slices, spec.height, spec.width)
    if not 0 <= spec.motion < 1:
        raise Rejected(f"motion {spec.motion} must be 0 (off) or a share below 1")
    return spec


_CODEC = EnvelopeCodec(StreamSpec, event_type=STREAM_TYPE, source="framemeter/streams")


def encode(spec: StreamSpec, *, at: datetime) -> bytes:
    """Return the message's value; its key is the stream."""
    return _CODEC.encode(spec, event_id=spec.stream, subject=spec.stream, time=at)


def decode(value: bytes | None) -> StreamSpec:
    """Return the checked spec; raise `Rejected` when the bytes are not a good one."""
    return check(_CODEC.decode(value).data)
