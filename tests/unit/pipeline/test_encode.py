"""Pictures are fitted without distortion, and boxes find their way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode import GREY, decode_jpeg, encode_jpeg, letterbox
from wire.errors import Rejected
from wire.slicing import Slices, corners, picture_size

SIDES = st.integers(16, 400)
STEPS = st.integers(1, 12).map(lambda steps: steps * 32)


@given(height=SIDES, width=SIDES, to_height=STEPS, to_width=STEPS, data=st.data())
def test_a_box_survives_the_way_there_and_back(
    height: int, width: int, to_height: int, to_width: int, data: st.DataObject
) -> None:
    fitted = letterbox(np.zeros((height, width, 3), np.uint8), to_height, to_width)
    x1, x2 = sorted(data.draw(st.tuples(st.floats(0, width), st.floats(0, width))))
    y1, y2 = sorted(data.draw(st.tuples(st.floats(0, height), st.floats(0, height))))
    there = (
        x1 * fitted.scale + fitted.left,
        y1 * fitted.scale + fitted.top,
        x2 * fitted.scale + fitted.left,
        y2 * fitted.scale + fitted.top,
    )
    assert fitted.unletterbox(there) == pytest.approx((x1, y1, x2, y2), abs=1e-6)


@given(
    size=st.tuples(SIDES, SIDES),
    tile=st.tuples(STEPS, STEPS),
    slices=st.builds(
        Slices,
        rows=st.integers(1, 4),
        columns=st.integers(1, 4),
        overlap=st.sampled_from((0.0, 0.2, 0.333, 0.5)),
    ),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_point_that_a_tile_sees_finds_its_way_home(
    size: tuple[int, int], tile: tuple[int, int], slices: Slices, share: tuple[float, float]
) -> None:
    fitted = letterbox(np.zeros((*size, 3), np.uint8), *picture_size(slices, *tile))
    x, y = size[1] * share[0], size[0] * share[1]
    there = x * fitted.scale + fitted.left, y * fitted.scale + fitted.top
    seen = [
        ((left + there[0] - left), (top + there[1] - top))
        for top, left in corners(slices, *tile)
        if left <= there[0] <= left + tile[1] and top <= there[1] <= top + tile[0]
    ]
    assert seen
    for point in seen:
        assert fitted.source_point_within(point) == pytest.approx((x, y), abs=1e-6)


def test_a_point_beside_the_picture_is_moved_to_its_edge_only_where_that_is_asked() -> None:
    fitted = letterbox(np.zeros((100, 200, 3), np.uint8), 320, 320)
    assert fitted.source_point((-16.0, 64.0)) == (-10.0, -10.0)
    assert fitted.source_point_within((-16.0, 64.0)) == (0.0, 0.0)


@given(height=SIDES, width=SIDES, to_height=STEPS, to_width=STEPS)
def test_the_fitted_picture_has_the_size_asked_for_and_touches_two_edges(
    height: int, width: int, to_height: int, to_width: int
) -> None:
    fitted = letterbox(np.full((height, width, 3), 255, np.uint8), to_height, to_width)
    assert fitted.picture.shape == (to_height, to_width, 3)
    white = np.argwhere((fitted.picture == 255).all(axis=2))
    spans = white.max(axis=0) - white.min(axis=0) + 1
    assert spans[0] == to_height or spans[1] == to_width
    assert set(np.unique(fitted.picture)) <= {GREY, 255}


def test_a_box_over_the_grey_is_cut_off_at_the_picture_s_edge() -> None:
    fitted = letterbox(np.zeros((100, 200, 3), np.uint8), 320, 320)
    assert fitted.unletterbox((0, 0, 320, 320)) == (0, 0, 200, 100)


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    picture = np.zeros((384, 512, 3), np.uint8)
    assert letterbox(picture, 384, 512).picture is picture


def test_a_jpeg_keeps_size_and_channel_order() -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[..., 0] = 200
    back = decode_jpeg(encode_jpeg(picture, 90))
    assert back.shape == picture.shape
    assert abs(back[..., 0].mean() - 200) < 5 and back[..., 2].mean() < 5


def test_half_a_jpeg_is_rejected() -> None:
    packed = encode_jpeg(np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8), 90)
    with pytest.raises(Rejected):
        decode_jpeg(packed[:100])
