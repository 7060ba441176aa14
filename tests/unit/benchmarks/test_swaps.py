"""Changes of the model under load, and openings of streams."""

import pytest

from benchmarks.generator import Offered
from benchmarks.memory import Look
from benchmarks.openings import figures as opening_figures
from benchmarks.play import Heard
from benchmarks.sight import Seen
from benchmarks.swaps import Swapped, compare
from tests.unit.benchmarks.scenery import CAPTURED_AT, detection


def heard(*moments_s: float) -> Heard:
    """Return a load whose detections became visible at these moments."""
    seen, offered = Seen(), Offered()
    for seq, moment_s in enumerate(moments_s):
        offered.add(lag_s=0.0)
        seen.add(detection(seq), CAPTURED_AT, moment_s)
    return Heard(offered=offered, seen=seen)


def looks(*memory_mib: float) -> list[Look]:
    """Return looks at a process's memory, one an event."""
    return [Look(events=number + 1, memory_mib=each) for number, each in enumerate(memory_mib)]


def test_a_pause_is_what_the_longest_gap_has_more_than_the_usual_one() -> None:
    swapped = Swapped(
        heard=heard(0.0, 0.05, 0.20),
        looks=looks(*[100.0] * 10),
        seconds=5.0,
        versions=10,
    )
    found = compare(heard(0.0, 0.04, 0.10), swapped)
    assert found["gap_usual_ms"] == pytest.approx(60.0)
    assert found["gap_swapping_ms"] == pytest.approx(150.0)
    assert found["pause_ms"] == pytest.approx(90.0)
    assert found["seconds_per_swap"] == 0.5
    assert found["drift_percent"] == 0.0


def test_shorter_gaps_than_usual_are_no_pause() -> None:
    swapped = Swapped(heard=heard(0.0, 0.01), looks=looks(1.0, 1.0, 1.0), seconds=1.0, versions=3)
    assert compare(heard(0.0, 1.0), swapped)["pause_ms"] == 0.0


def test_the_worst_process_decides_over_a_leak() -> None:
    flat, leaks = looks(*[100.0] * 12), looks(*(100.0 + 10 * number for number in range(12)))
    found = opening_figures({"gateway": flat, "producer": leaks})
    assert found["gateway_drift_percent"] == 0.0
    assert found["drift_worst_percent"] == found["producer_drift_percent"] > 10
