"""A lane's memory of frames never claims one that it has not seen."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.detector.passed import RANGES_MAX, SESSIONS_MAX, Passed

KEYS = st.tuples(st.sampled_from(["gate", "pond"]), st.integers(1, 2), st.integers(0, 30))


@given(st.lists(KEYS))
def test_a_frame_is_new_exactly_the_first_time(keys: list[tuple[str, int, int]]) -> None:
    passed, seen = Passed(), set()
    for key in keys:
        assert passed.add(key) == (key not in seen)
        seen.add(key)


@given(st.lists(st.integers(0, 1000)))
def test_with_too_many_holes_it_forgets_but_never_invents(numbers: list[int]) -> None:
    passed, seen = Passed(), set()
    for number in numbers:
        if not passed.add(("gate", 1, number * 2)):
            assert number in seen
        seen.add(number)


def test_a_long_stream_without_holes_is_one_range() -> None:
    passed = Passed()
    assert all(passed.add(("gate", 1, seq)) for seq in range(10_000))
    assert not passed.add(("gate", 1, 5_000))


def test_numbers_with_holes_are_kept_up_to_a_limit() -> None:
    passed = Passed()
    for number in range(RANGES_MAX + 1):
        passed.add(("gate", 1, 2 * number))
    assert passed.add(("gate", 1, 0)), "the lowest is forgotten"
    assert not passed.add(("gate", 1, 2 * RANGES_MAX))


def test_the_session_seen_longest_ago_is_forgotten() -> None:
    passed = Passed()
    for epoch in range(SESSIONS_MAX + 1):
        passed.add(("gate", epoch, 0))
    assert not passed.add(("gate", SESSIONS_MAX, 0))
    assert passed.add(("gate", 0, 0))
