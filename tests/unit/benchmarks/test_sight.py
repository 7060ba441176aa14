"""What a watcher of detections counts."""

from datetime import timedelta

from benchmarks.sight import Seen, Sight
from tests.unit.benchmarks.scenery import CAPTURED_AT, detection
from wire.usage import Status


def test_latency_is_of_detected_frames_alone() -> None:
    seen = Seen()
    for seq, latency_ms in enumerate((10, 20, 30)):
        seen.add(detection(seq), CAPTURED_AT + timedelta(milliseconds=latency_ms))
    seen.add(detection(3, Status.EXPIRED), CAPTURED_AT + timedelta(seconds=9))
    assert seen.latency_ms(0.5) == 20
    assert seen.latency_ms(0.99) == 30
    assert seen.frames == 4
    assert seen.statuses == {Status.DETECTED: 3, Status.EXPIRED: 1}


def test_a_second_detection_of_a_frame_is_a_copy() -> None:
    seen = Seen()
    for _ in range(2):
        seen.add(detection(0), CAPTURED_AT + timedelta(seconds=1))
    assert (seen.frames, seen.copies) == (1, 1)
    assert seen.statuses == {Status.DETECTED: 1}


def test_without_detections_there_is_no_latency() -> None:
    assert Seen().latency_ms(0.5) is None


def test_after_a_blink_counting_begins_anew() -> None:
    sight = Sight()
    sight.seen.add(detection(0), CAPTURED_AT)
    assert sight.blink().frames == 1
    assert sight.seen.frames == 0
