"""Sampling keeps its rate whatever the source's own rate and clock do."""

import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.sampling import Sampler


def taken(sampler: Sampler, times: list[float | None]) -> list[int]:
    return [index for index, time_s in enumerate(times) if sampler.wants(time_s)]


@given(
    source_fps=st.floats(1, 120),
    fps=st.floats(0.2, 60),
    jitter=st.floats(0, 0.3),
    seed=st.integers(0, 2**32),
)
def test_the_rate_is_what_was_asked_for_or_the_source_s_own_if_that_is_lower(
    source_fps: float, fps: float, jitter: float, seed: int
) -> None:
    shift = random.Random(seed).uniform
    seconds = max(10.0, 20 / fps)
    times = [(n + shift(-jitter, jitter)) / source_fps for n in range(int(seconds * source_fps))]
    count = len(taken(Sampler(fps, frame_s=1 / source_fps), times))
    wanted = min(fps, source_fps) * seconds
    assert count <= fps * seconds + 2
    assert count >= 0.75 * wanted - 2


def test_ten_a_second_of_twenty_five_does_not_drift_in_an_hour() -> None:
    times = [n / 25 for n in range(25 * 3600)]
    chosen = taken(Sampler(10), times)
    assert len(chosen) in (36_000, 36_001)
    assert all(abs(times[frame] - tick / 10) <= 0.0201 for tick, frame in enumerate(chosen))


def test_a_source_of_just_the_wanted_rate_loses_nothing_to_jitter() -> None:
    times = [n / 25 + (0.006 if n % 2 else -0.006) for n in range(1_000)]
    assert len(taken(Sampler(25, frame_s=0.04), times)) == 1_000


def test_every_picture_of_a_slower_source_is_wanted() -> None:
    assert len(taken(Sampler(10), [n / 3 for n in range(100)])) == 100


@given(jump=st.one_of(st.floats(-1e6, -0.3), st.floats(3, 1e6)))
def test_a_jump_of_the_timeline_starts_a_new_grid_at_once(jump: float) -> None:
    sampler = Sampler(5)
    before = [n / 25 for n in range(50)]
    after = [2 + jump + n / 25 for n in range(50)]
    taken(sampler, before)
    chosen = taken(sampler, after)
    assert chosen[0] == 0
    assert 9 <= len(chosen) <= 11


def test_pictures_without_a_time_follow_one_another() -> None:
    assert len(taken(Sampler(5, frame_s=0.04), [None] * 250)) in (50, 51)


def test_a_clock_that_stands_still_counts_as_no_time() -> None:
    assert len(taken(Sampler(5, frame_s=0.04), [7.0] * 250)) in (50, 51)
