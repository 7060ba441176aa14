"""What is measured: engine time by size, rates, shares; and what follows for the next batch."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.detector.batching.pace import EngineTime, Pace, Rate, Share


def measured(*batches: tuple[int, float]) -> EngineTime:
    made = EngineTime()
    for size, seconds in batches:
        made.observe(size, seconds)
    return made


@given(
    st.floats(0, 0.1),
    st.floats(0.0001, 0.1),
    st.lists(st.integers(1, 64), min_size=2, max_size=40).filter(lambda sizes: len(set(sizes)) > 1),
)
def test_a_straight_line_is_found(fixed_s: float, each_s: float, sizes: list[int]) -> None:
    made = measured(*((size, fixed_s + each_s * size) for size in sizes))
    for size in (1, 8, 64):
        assert made.seconds(size) == pytest.approx(fixed_s + each_s * size, rel=0.2, abs=1e-6)


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(0, 60)), max_size=40))
def test_no_measurement_makes_a_larger_batch_quicker(batches: list[tuple[int, float]]) -> None:
    made = measured(*batches)
    seconds = [made.seconds(size) for size in (1, 2, 8, 64)]
    if not batches:
        assert seconds == [None] * 4
    else:
        known = [value for value in seconds if value is not None]
        assert len(known) == 4
        assert all(less <= more + 1e-9 for less, more in pairwise(known))
        assert known[0] >= 0
    assert 1 <= made.size_within(0.02, 64) <= 64
    assert 1 <= Pace().size_limit(64) <= 64


def test_one_batch_that_hung_is_soon_made_good() -> None:
    made = measured(*((8, 0.2) for _ in range(20)), (8, 60.0), *((8, 0.2) for _ in range(20)))
    assert made.seconds(8) == pytest.approx(0.2, rel=0.15)


def test_sizes_that_no_longer_differ_leave_the_fixed_part_known() -> None:
    made = measured((1, 0.011), (8, 0.018), *((8, 0.018) for _ in range(500)))
    assert made.seconds(1) == pytest.approx(0.011)


def test_a_long_batch_is_made_shorter_only_where_that_costs_no_engine_time() -> None:
    linear, sublinear = Pace(), Pace()
    for size in (1, 4, 8):
        linear.engine.observe(size, 0.024 * size)
        sublinear.engine.observe(size, 0.1 + 0.024 * size)
    assert linear.size_limit(8) == 4
    assert sublinear.size_limit(8) == 8


def test_while_priority_frames_come_batches_are_short_but_keep_most_of_the_throughput() -> None:
    linear, slow, quick = Pace(), Pace(), Pace()
    for size in (1, 8, 32):
        linear.engine.observe(size, 0.024 * size)
        slow.engine.observe(size, 0.025 + 0.001 * size)
        quick.engine.observe(size, 0.003 + 0.0003 * size)
    assert linear.size_limit_urgent(32, 0.02) == 1
    assert quick.size_limit_urgent(32, 0.02) == 32
    size = slow.size_limit_urgent(32, 0.02)
    taken, full = slow.engine.seconds(size), slow.engine.seconds(32)
    assert taken is not None
    assert full is not None
    assert taken < 0.75 * full
    assert taken / size <= 1.5 * full / 32


def test_a_frame_is_worth_waiting_for_when_more_come_than_one_in_the_fixed_time() -> None:
    pace = Pace()
    for number in range(1000):
        pace.arrivals.add(number / 100, 1.0)
    assert pace.worth_waiting_for == float("inf")
    for size in (1, 8):
        pace.engine.observe(size, 0.05 + 0.001 * size)
    assert pace.worth_waiting_for == pytest.approx(5, rel=0.05)


def test_a_rate_follows_what_arrives() -> None:
    rate = Rate()
    for number in range(200):
        rate.add(number / 20, 2.0)
    assert rate.per_s == pytest.approx(40, rel=0.05)
    rate.add(100.0, 2.0)
    assert rate.per_s == pytest.approx(1)


def loaded(share: Share, *, from_s: float, seconds: float, per_s: float) -> None:
    for step in range(int(seconds * 10) + 1):
        at = step / 10
        share.batch(from_s + at, served=per_s * at, turn=1.0, more=True)


def test_a_share_is_what_each_waiting_stream_was_given_and_never_less() -> None:
    share = Share()
    assert share.per_s_max is None
    loaded(share, from_s=0.0, seconds=5, per_s=7.0)
    assert share.per_s_max is not None
    assert 7.0 <= share.per_s_max <= 8.3


def test_an_engine_without_work_makes_the_share_unknown_once_the_load_is_over() -> None:
    share = Share()
    loaded(share, from_s=0.0, seconds=5, per_s=7.0)
    share.idle(5.5)
    assert share.per_s_max is not None
    share.idle(7.0)
    assert share.per_s_max is None


def test_time_in_which_nothing_waited_does_not_count() -> None:
    share = Share()
    share.batch(0.0, served=0.0, turn=1.0, more=False)
    share.batch(10.0, served=1.0, turn=1.0, more=False)
    assert share.per_s_max is None
