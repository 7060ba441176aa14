"""Slices cover all of a picture with tiles of one size, within bounds, and are written one way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wire.strategies import sides
from wire.errors import Rejected
from wire.slicing import (
    PICTURE_PIXELS_MAX,
    PICTURE_SIDE_MAX,
    SIDES_MAX,
    TILES_MAX,
    Slices,
    check,
    corners,
    parse,
    picture_size,
    tiles_of,
)

slices = st.builds(
    Slices,
    rows=st.integers(1, SIDES_MAX),
    columns=st.integers(1, SIDES_MAX),
    overlap=st.integers(0, 500).map(lambda thousandths: thousandths / 1_000),
).filter(lambda made: made.tiles <= TILES_MAX)
small_sides = st.integers(1, 8).map(lambda steps: steps * 32)


@given(slices=slices, height=small_sides, width=small_sides)
def test_every_pixel_lies_in_a_tile_and_every_tile_in_the_picture(
    slices: Slices, height: int, width: int
) -> None:
    high, wide = picture_size(slices, height, width)
    covered = np.zeros((high, wide), dtype=np.uint8)
    places = corners(slices, height, width)
    for top, left in places:
        assert 0 <= top <= high - height and 0 <= left <= wide - width
        covered[top : top + height, left : left + width] += 1
    assert covered.min() >= 1
    assert len(set(places)) == slices.tiles == tiles_of(slices)
    assert places[-1] == (high - height, wide - width)


@given(slices=slices, height=sides, width=sides)
def test_slices_that_pass_are_bounded_and_read_back_as_they_were_written(
    slices: Slices, height: int, width: int
) -> None:
    assert parse(str(slices)) == slices
    high, wide = picture_size(slices, height, width)
    if max(high, wide) <= PICTURE_SIDE_MAX and high * wide <= PICTURE_PIXELS_MAX:
        assert check(slices, height, width) is slices
    else:
        with pytest.raises(Rejected, match=r"are over|fewer or smaller tiles"):
            check(slices, height, width)


def test_a_picture_that_is_not_sliced_is_one_tile_of_its_own_size() -> None:
    assert (picture_size(None, 384, 640), tiles_of(None)) == ((384, 640), 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0x3x0.2", "1 to 8"),
        ("9x1", "1 to 8"),
        ("-1x2", "1 to 8"),
        ("6x6", "more than 32"),
        ("2x2x0.6", "overlap"),
        ("2x2x0.1234", "overlap"),
        ("2x2xnan", "overlap"),
        ("2", "ROWSxCOLUMNSxOVERLAP"),
        ("2x", "ROWSxCOLUMNSxOVERLAP"),
        ("2x2x0.2x1", "ROWSxCOLUMNSxOVERLAP"),
        ("x" * 99, "ROWSxCOLUMNSxOVERLAP"),
    ],
)
def test_what_is_wrong_with_slices_is_said(text: str, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        check(parse(text), 640, 640)
