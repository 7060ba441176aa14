"""Sizes are taken as they are or refused with the nearest that work."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sizes import parse_size
from wire.errors import Rejected
from wire.frames import SIDE_MAX, SIDE_MIN, SIDE_STEP, is_inference_size

good_sides = st.integers(SIDE_MIN // SIDE_STEP, SIDE_MAX // SIDE_STEP).map(lambda n: n * SIDE_STEP)


@given(good_sides, good_sides)
def test_what_the_engines_take_is_taken(height: int, width: int) -> None:
    assert parse_size(f"{height}x{width}") == (height, width)
    assert parse_size(height) == parse_size(str(height)) == (height, height)


@given(st.integers(0, 99_999), st.integers(0, 99_999))
def test_what_they_do_not_take_is_refused_with_sizes_that_they_do(height: int, width: int) -> None:
    if is_inference_size(height, width):
        return
    with pytest.raises(Rejected) as caught:
        parse_size(f"{height}X{width}")
    advised = re.findall(r"(\d+)x(\d+)", str(caught.value).partition("nearest are")[2])
    assert 1 <= len(advised) <= 2
    assert all(is_inference_size(int(high), int(wide)) for high, wide in advised)


def test_the_advice_names_the_next_size_below_and_above() -> None:
    with pytest.raises(Rejected, match="the nearest are 608 and 640"):
        parse_size(630)


@pytest.mark.parametrize("text", ["", "x", "640x", "640x640x3", "-640", "6e2", "٦٤٠", "9" * 40])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        parse_size(text)
