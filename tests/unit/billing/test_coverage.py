"""Sets of frames, compared with Python's own sets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from billing.coverage import Coverage

RANGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda pair: (pair[0], sum(pair))),
    max_size=30,
)


def numbers(parts: list[tuple[int, int]]) -> list[int]:
    return [number for start, end in parts for number in range(start, end)]


@given(RANGES)
def test_only_what_was_not_there_is_fresh(ranges: list[tuple[int, int]]) -> None:
    coverage, model = Coverage(), set[int]()
    for start, end in ranges:
        fresh = numbers(coverage.add(start, end))
        assert fresh == sorted(set(range(start, end)) - model)
        model |= set(range(start, end))
    assert numbers(coverage.intervals()) == sorted(model)
    assert coverage.frames() == len(model)


@given(RANGES)
def test_intervals_never_touch(ranges: list[tuple[int, int]]) -> None:
    intervals = Coverage(ranges).intervals()
    assert all(before[1] < after[0] for before, after in pairwise(intervals))


@given(RANGES, st.integers(0, 80), st.integers(0, 80))
def test_what_is_missing_is_counted(ranges: list[tuple[int, int]], start: int, end: int) -> None:
    model = set(numbers(ranges))
    coverage = Coverage(ranges)
    assert coverage.missing(start, end) == len(set(range(start, end)) - model)
    assert coverage.contains(start, end) == set(range(start, end)).issubset(model)


def test_it_is_written_as_postgresql_writes_it() -> None:
    assert str(Coverage([(0, 3), (3, 5), (9, 10)])) == "{[0,5),[9,10)}"
    assert str(Coverage()) == "{}"
