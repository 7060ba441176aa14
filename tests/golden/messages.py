"""One sample of each message that crosses a process boundary, and its bytes.

The bytes lie in `files/`; a test compares. A format changes on purpose only: write the files anew
with `python -m tests.golden.write` and read the difference before it is committed.
"""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from wire import balances, detections, frames, model_failures, models, sessions, streams, usage
from wire.slicing import Slices

FILES = Path(__file__).parent / "files"
CAPTURED_AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
DETECTED_AT = datetime(2026, 3, 1, 12, 30, 15, 312_500, tzinfo=UTC)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

FRAME = frames.Frame(
    account="city-parks",
    stream="park.north-1",
    epoch=3,
    seq=41,
    model="yolov8l",
    height=960,
    width=960,
    captured_at=CAPTURED_AT,
    tier=frames.Tier.PRIORITY,
    max_age_ms=5_000,
    source_height=1080,
    source_width=1920,
    reply="gateway-0",
    traceparent=TRACEPARENT,
    picture=b"\xff\xd8\xff\xe0 a picture \xff\xd9",
)
FRAME_SLICED = msgspec.structs.replace(FRAME, slices=Slices(rows=2, columns=3, overlap=0.25))
DETECTION = detections.Detection(
    account="city-parks",
    stream="park.north-1",
    epoch=3,
    seq=41,
    captured_at=CAPTURED_AT,
    detected_at=DETECTED_AT,
    status=usage.Status.DETECTED,
    model="yolov8l",
    model_version="2026-02",
    task="detect",
    height=960,
    width=960,
    source_height=1080,
    source_width=1920,
    objects=(
        detections.DetectedObject(
            class_id=0, class_name="person", confidence=0.875, box=(10.5, 20.0, 110.25, 320.0)
        ),
    ),
)
REJECTED = msgspec.structs.replace(
    DETECTION, seq=42, status=usage.Status.REJECTED, objects=(), reason="the message has no picture"
)
DETECTION_SLICED = msgspec.structs.replace(
    DETECTION,
    task="segment",
    objects=(
        detections.DetectedObject(
            class_id=0,
            class_name="person",
            confidence=0.875,
            box=(10.5, 20.0, 110.25, 320.0),
            mask=((10.5, 20.0), (110.25, 170.0), (60.0, 320.0)),
            keypoints=((60.0, 30.5, 0.75),),
            corners=((60.0, 20.0), (110.25, 170.0), (60.0, 320.0), (10.5, 170.0)),
        ),
    ),
    slices=FRAME_SLICED.slices,
)
USAGE = usage.UsageEvent(
    account="city-parks",
    stream="park.north-1",
    epoch=3,
    first=40,
    last=47,
    status=usage.Status.DETECTED,
    model="yolov8l",
    model_version="2026-02",
    height=960,
    width=960,
    captured_at=CAPTURED_AT,
)
STREAM = streams.StreamSpec(
    stream="park.north-1",
    account="city-parks",
    source="rtsp://camera.example/1",
    model="yolov8l",
    height=960,
    width=960,
    fps=5.0,
)
STREAM_SLICED = msgspec.structs.replace(STREAM, slices=FRAME_SLICED.slices, motion=0.002)
MODEL = models.ModelSpec(
    model="yolov8l", version="2026-02", source="yolov8l.pt", size_class="l", confidence=0.3
)
MODEL_CANARY = msgspec.structs.replace(
    MODEL,
    source="https://models.example/yolov8l.pt",
    sha256="0a" * 32,
    canary=models.Canary(version="2026-03", source="yolov8l-new.pt", percent=10),
    former=models.Former(version="2026-01", source="yolov8l-old.pt", confidence=0.5),
)
MODEL_FAILURE = model_failures.ModelFailure(
    model="yolov8l",
    version="2026-03",
    reason="it has other classes than the active version",
    detector="gpu-7/41",
    at=DETECTED_AT,
)
BALANCE = balances.Balance(
    account="city-parks", version=17, available=994_375, held=5_625, receivable=0
)
ALERT = balances.BalanceAlert(
    account="city-parks", threshold=1_000_000, version=18, available=988_750, held=5_625
)
OPEN = sessions.OpenSession(
    account="city-parks",
    stream="park.north-1",
    model="yolov8l",
    height=960,
    width=960,
    tier=frames.Tier.PRIORITY,
    frames=100,
    task="detect",
)
OPEN_SLICED = msgspec.structs.replace(OPEN, task=None, slices=FRAME_SLICED.slices)
RENEW = sessions.RenewSession(published=70, captured=75, frames=100)
CLOSE = sessions.CloseSession(last_seq=169, captured=180, reason="stopped", in_doubt=1)
GRANT = sessions.Grant(
    stream="park.north-1",
    epoch=3,
    unit_price=5_625,
    granted_frames=170,
    final=False,
    expires_at=DETECTED_AT,
    available=994_375,
    balance_version=17,
    when_unreachable=sessions.WhenUnreachable.STOP,
)


def golden() -> dict[str, bytes]:
    """Return the bytes of every sample by the name of its file."""
    return {
        "frame.headers": _headers(FRAME),
        "frame-sliced.headers": _headers(FRAME_SLICED),
        "detection.json": detections.encode(DETECTION, traceparent=TRACEPARENT),
        "detection-rejected.json": detections.encode(REJECTED),
        "detection-sliced.json": detections.encode(DETECTION_SLICED),
        "usage.json": usage.encode(USAGE, at=DETECTED_AT),
        "stream.json": streams.encode(STREAM, at=CAPTURED_AT),
        "stream-sliced.json": streams.encode(STREAM_SLICED, at=CAPTURED_AT),
        "model.json": models.encode(MODEL, at=CAPTURED_AT),
        "model-canary.json": models.encode(MODEL_CANARY, at=CAPTURED_AT),
        "model-failure.json": model_failures.encode(MODEL_FAILURE),
        "balance.json": balances.encode(BALANCE, at=DETECTED_AT),
        "alert.json": balances.encode_alert(ALERT, at=DETECTED_AT),
        "session-open.json": msgspec.json.encode(OPEN),
        "session-open-sliced.json": msgspec.json.encode(OPEN_SLICED),
        "session-renew.json": msgspec.json.encode(RENEW),
        "session-close.json": msgspec.json.encode(CLOSE),
        "session-grant.json": msgspec.json.encode(GRANT),
    }


def _headers(frame: frames.Frame) -> bytes:
    lines = [b"%s: %s\n" % (name.encode(), value) for name, value in frames.encode_headers(frame)]
    return b"".join(lines)
