"""The offered load: even, in order, and as much as was asked for."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.schedule import schedule


@given(
    streams=st.integers(1, 16),
    rate=st.floats(0.5, 200),
    seconds=st.floats(0.1, 3),
)
def test_every_camera_keeps_its_period_within_the_time(
    streams: int, rate: float, seconds: float
) -> None:
    names = [f"camera-{number}" for number in range(streams)]
    dues = list(schedule(names, rate=rate, seconds=seconds))
    assert [due.at_s for due in dues] == sorted(due.at_s for due in dues)
    assert all(0 <= due.at_s < seconds for due in dues)
    for name in names:
        times = [due.at_s for due in dues if due.stream == name]
        steps = [after - before for before, after in pairwise(times)]
        assert all(abs(step - streams / rate) < 1e-9 for step in steps)
        assert abs(len(times) - seconds * rate / streams) <= 1


def test_cameras_are_not_in_step_and_the_same_in_every_run() -> None:
    names = ("a", "b", "c")
    first = list(schedule(names, rate=3, seconds=1))
    assert len({due.at_s for due in first}) == len(first)
    assert first == list(schedule(names, rate=3, seconds=1))


def test_streams_share_the_rate_evenly() -> None:
    counts = Counter(due.stream for due in schedule(("a", "b"), rate=20, seconds=10))
    assert counts == {"a": 100, "b": 100}
