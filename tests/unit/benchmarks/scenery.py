"""Detections for tests of what counts them."""

from datetime import UTC, datetime

from wire.detections import Detection
from wire.usage import Status

CAPTURED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def detection(seq: int, status: Status = Status.DETECTED) -> Detection:
    """Return the detection of a frame of one session."""
    return Detection(
        account="park",
        stream="gate",
        epoch=1,
        seq=seq,
        captured_at=CAPTURED_AT,
        detected_at=CAPTURED_AT,
        status=status,
        model="park-n",
        model_version="v1",
        task="detect",
        height=384,
        width=512,
        source_height=384,
        source_width=512,
        objects=(),
    )
