"""What the demo counts of detections: rates, latencies, the first one."""

from collections import deque
from datetime import UTC, datetime, timedelta

from cli.demo.tally import Tally, percentile
from wire.detections import DetectedObject, Detection
from wire.usage import Status

START = datetime(2026, 1, 1, tzinfo=UTC)
PERSON = DetectedObject(class_id=0, class_name="person", confidence=0.9, box=(0, 0, 1, 1))


def detection(seq: int, *, status: Status = Status.DETECTED, stream: str = "gate") -> Detection:
    captured = START + timedelta(seconds=seq / 10)
    return Detection(
        account="park",
        stream=stream,
        epoch=1,
        seq=seq,
        captured_at=captured,
        detected_at=captured,
        status=status,
        model="park-n",
        model_version="1",
        task="detect",
        height=384,
        width=512,
        source_height=576,
        source_width=768,
        objects=(PERSON, PERSON) if status is Status.DETECTED else (),
    )


def test_detections_are_counted_by_stream() -> None:
    tally = Tally(("gate", "pond"))
    for seq in range(20):
        frame = detection(seq)
        tally.add(frame, frame.captured_at + timedelta(milliseconds=30))
    gate = tally.streams["gate"]
    assert (gate.detected, gate.objects, gate.objects_now) == (20, 40, 2)
    assert gate.latency_ms(0.5, 0.99) == [30.0, 30.0]
    assert gate.fps(START + timedelta(seconds=2)) == 20 / 5
    assert tally.streams["pond"].detected == 0
    assert tally.first_seen_at == START + timedelta(milliseconds=30)


def test_frames_that_ended_otherwise_are_no_detections() -> None:
    tally = Tally(("gate",))
    tally.add(detection(0, status=Status.EXPIRED), START)
    assert tally.streams["gate"].detected == 0
    assert tally.first_seen_at is None


def test_other_streams_are_not_ours() -> None:
    tally = Tally(("gate",))
    tally.add(detection(0, stream="other"), START)
    assert tally.first_seen_at is None


def test_the_rate_forgets_what_is_old() -> None:
    tally = Tally(("gate",))
    for seq in range(100):
        tally.add(detection(seq), START + timedelta(seconds=seq / 10))
    assert tally.streams["gate"].fps(START + timedelta(seconds=60)) == 0


def test_a_percentile_is_one_of_the_values() -> None:
    values = deque([5.0, 1.0, 3.0])
    assert [percentile(values, share) for share in (0, 0.5, 0.99)] == [1.0, 3.0, 5.0]
    assert percentile(deque(), 0.5) is None
