"""What is made of the looks at a process's memory."""

import pytest

from benchmarks.memory import Look, figures
from wire.errors import Misconfigured


def test_spread_and_drift_are_of_the_looks_after_the_warm_up() -> None:
    looks = [
        Look(events=0, memory_mib=20.0),
        Look(events=100, memory_mib=100.0),
        Look(events=500, memory_mib=104.0),
        Look(events=1_000, memory_mib=98.0),
    ]
    assert figures(looks) == {
        "looks": 3,
        "memory_first_mib": 100.0,
        "memory_last_mib": 98.0,
        "memory_median_mib": 100.0,
        "memory_most_mib": 104.0,
        "drift_percent": -2.0,
        "spread_percent": 4.0,
    }


def test_a_run_without_two_looks_is_refused() -> None:
    with pytest.raises(Misconfigured, match="too short"):
        figures([Look(events=10, memory_mib=1.0)])
