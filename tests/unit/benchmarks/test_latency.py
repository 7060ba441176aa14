"""The load of a latency measurement, and what is made of what was seen."""

from datetime import timedelta

import pytest

from benchmarks.generator import Offered
from benchmarks.latency import STREAMS, figures, plan_load
from benchmarks.sight import Seen
from tests.unit.benchmarks.scenery import CAPTURED_AT, detection
from wire.usage import Status


def test_a_load_is_a_share_of_the_bare_engine() -> None:
    load = plan_load(0.25, bare_rate=160, seconds=10)
    assert load.rate == 40
    assert len(load.measured) == pytest.approx(400, abs=len(STREAMS))


def test_every_frame_of_a_load_is_paid_for() -> None:
    load = plan_load(0.8, bare_rate=100, seconds=3)
    frames = len(load.first) + len(load.warm_up) + len(load.measured)
    assert sum(load.frames_of(stream) for stream in STREAMS) == frames
    assert len(load.first) == len(STREAMS)


ENGINE = {"engine": "fake", "inference_ms": 12.5, "batch_mean": 1.0}


def test_what_the_road_adds_to_inference_is_told() -> None:
    seen, offered = Seen(), Offered()
    for seq in range(10):
        seen.add(detection(seq), CAPTURED_AT + timedelta(milliseconds=50))
        offered.add(lag_s=0.001)
    seen.add(detection(10, Status.EXPIRED), CAPTURED_AT)
    found = figures(seen, offered, ENGINE)
    assert (found["p50_ms"], found["p50_minus_inference_ms"]) == (50.0, 37.5)
    assert found["generator_lag_p99_ms"] == 1.0
    assert found["frames"] == {
        "detected": 10,
        "cached": 0,
        "failed": 0,
        "expired": 1,
        "rejected": 0,
    }


def test_a_load_of_which_nothing_was_detected_has_no_latency() -> None:
    seen = Seen()
    seen.add(detection(0, Status.EXPIRED), CAPTURED_AT)
    found = figures(seen, Offered(), ENGINE | {"inference_ms": None})
    assert found["p50_ms"] is None
    assert found["p50_minus_inference_ms"] is None
