"""Frames, pictures and outcomes that the detector's tests share."""

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import simplejpeg

from consumers.detector.metering import Origin, Outcome
from wire.frames import Frame, Tier, encode_headers
from wire.usage import Status

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
HEIGHT, WIDTH = 64, 96


def picture(number: int = 0, *, height: int = HEIGHT, width: int = WIDTH) -> bytes:
    """Return a JPEG that differs by number."""
    blocks = np.random.default_rng(number).integers(
        0, 255, (height // 8, width // 8, 3), dtype=np.uint8
    )
    pixels = np.ascontiguousarray(blocks.repeat(8, axis=0).repeat(8, axis=1))
    return bytes(simplejpeg.encode_jpeg(pixels, quality=85, colorspace="BGR"))


PICTURE = picture()
FRAME = Frame(
    account="park",
    stream="gate",
    epoch=1,
    seq=0,
    model="park-n",
    height=HEIGHT,
    width=WIDTH,
    captured_at=NOON,
    tier=Tier.STANDARD,
    max_age_ms=10_000,
    source_height=HEIGHT,
    source_width=WIDTH,
    picture=PICTURE,
)


def frame(seq: int = 0, **changes: object) -> Frame:
    """Return a frame of one stream, captured `seq` seconds after noon unless told otherwise."""
    captured_at = NOON + timedelta(seconds=seq)
    return msgspec.structs.replace(FRAME, **({"seq": seq, "captured_at": captured_at} | changes))


def origin(made: Frame, offset: int = 0) -> Origin:
    """Return the message that the frame is."""
    return Origin(
        topic="framemeter.frames.standard",
        partition=3,
        offset=offset,
        key=made.stream.encode(),
        value=made.picture,
        headers=tuple(encode_headers(made)),
    )


def outcome(made: Frame, status: Status = Status.DETECTED, **changes: object) -> Outcome:
    """Return how a frame ended."""
    version = "v1" if status is Status.DETECTED else "none"
    fields: dict[str, object] = {"identity": made, "status": status, "at": NOON, "version": version}
    return Outcome(**(fields | changes))  # type: ignore[arg-type]
