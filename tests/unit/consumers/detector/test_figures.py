"""The metrics that others read by name."""

from datetime import timedelta

from tests.unit.consumers.detector.made import NOON, frame, outcome
from tests.unit.consumers.detector.scripted import figures


def test_a_frame_is_counted_by_stream_from_its_capture_on() -> None:
    counted, made = figures(), frame(0)
    counted.finished(made, outcome(made, at=NOON + timedelta(seconds=0.4)))
    labels = {"stream": "gate"}
    read = counted.registry.get_sample_value
    assert read("framemeter_detector_stream_seconds_count", labels) == 1
    assert read("framemeter_detector_stream_seconds_sum", labels) == 0.4


def test_a_batch_tells_how_long_its_pictures_waited_and_what_is_left() -> None:
    counted = figures()
    counted.taken([0.5, 0.25], left=3)
    read = counted.registry.get_sample_value
    assert read("framemeter_detector_batch_wait_seconds_sum") == 0.75
    assert read("framemeter_detector_queue_age_seconds") == 0.5
    assert read("framemeter_detector_queue_depth") == 3
    counted.taken([0.5], left=0)
    assert read("framemeter_detector_queue_age_seconds") == 0


def test_the_process_tells_its_cpu_time() -> None:
    assert figures().registry.get_sample_value("process_cpu_seconds_total") is not None
