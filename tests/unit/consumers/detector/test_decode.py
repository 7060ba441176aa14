"""Pictures are whole, of the promised size and in a colour space that we know, or rejected."""

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from consumers.detector.decode import decode_into, empty_batch
from tests.unit.consumers.detector.made import HEIGHT, PICTURE, WIDTH
from wire.errors import Rejected


def decode(picture: bytes, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:  # type: ignore[type-arg]
    room = empty_batch(1, height, width)
    decode_into(picture, room[0])
    return room[0]


def test_pixels_arrive_in_bgr() -> None:
    blue = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    blue[:, :, 0] = 255
    pixels = decode(simplejpeg.encode_jpeg(blue, quality=95, colorspace="BGR"))
    assert pixels[0, 0, 0] > 250
    assert pixels[0, 0, 2] < 5


def test_it_decodes_into_the_room_that_it_is_given() -> None:
    room = empty_batch(3, HEIGHT, WIDTH)
    room[:] = 0
    decode_into(PICTURE, room[1])
    assert room[1].any()
    assert not room[0].any()
    assert not room[2].any()


@given(st.integers(0, len(PICTURE) - 1))
def test_a_picture_cut_anywhere_is_rejected(length: int) -> None:
    with pytest.raises(Rejected, match="not a whole JPEG"):
        decode(PICTURE[:length])


@given(st.binary(max_size=200))
def test_bytes_that_are_no_picture_are_rejected(value: bytes) -> None:
    with pytest.raises(Rejected):
        decode(value)


def test_a_picture_of_another_size_is_rejected_with_both_sizes() -> None:
    with pytest.raises(Rejected, match="the picture is 64x96, its headers say 96x96"):
        decode(PICTURE, height=96)


def test_a_grey_picture_is_taken() -> None:
    grey = np.full((HEIGHT, WIDTH, 1), 77, dtype=np.uint8)
    pixels = decode(simplejpeg.encode_jpeg(grey, quality=95, colorspace="GRAY"))
    assert np.all(np.abs(pixels.astype(int) - 77) <= 2)


def test_another_format_is_rejected() -> None:
    _, png = cv2.imencode(".png", np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8))
    with pytest.raises(Rejected, match="not a whole JPEG"):
        decode(png.tobytes())
