"""Images are read by their bytes, within bounds, or refused for a stated reason."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pictures import decode_image, image_size
from wire.errors import Rejected

PICTURE = np.zeros((40, 70, 3), np.uint8)
PICTURE[5:20, 10:50] = (10, 200, 250)


def packed(form: str, *options: int) -> bytes:
    """Return the picture in a file format."""
    return cv2.imencode(form, PICTURE, list(options))[1].tobytes()


def png_of(height: int, width: int) -> bytes:
    """Return a PNG header that promises this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(header))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
    )


@pytest.mark.parametrize(
    "content",
    [
        packed(".jpg"),
        packed(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        packed(".png"),
        packed(".webp", cv2.IMWRITE_WEBP_QUALITY, 80),
        packed(".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
    ],
    ids=["jpeg", "progressive", "png", "webp", "lossless webp"],
)
def test_jpeg_png_and_webp_are_read_in_blue_green_red(content: bytes) -> None:
    picture = decode_image(content, pixels_max=10_000)
    assert image_size(content) == (40, 70)
    assert picture.shape == (40, 70, 3)
    assert abs(picture.astype(int) - PICTURE).mean() < 12


def test_grey_and_transparent_images_become_three_channels() -> None:
    grey = cv2.imencode(".jpg", PICTURE[:, :, 1])[1].tobytes()
    clear = cv2.imencode(".png", np.dstack([PICTURE, PICTURE[:, :, 0]]))[1].tobytes()
    deep = cv2.imencode(".png", PICTURE.astype(np.uint16) * 257)[1].tobytes()
    for content in (grey, clear, deep):
        assert decode_image(content, pixels_max=10_000).shape == (40, 70, 3)


@pytest.mark.parametrize("size", [(60_000, 60_000), (65_536, 1), (0, 5), (2**31, 2**31)])
def test_a_decompression_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(Rejected, match=r"pixels"):
        decode_image(png_of(*size), pixels_max=10_000_000)


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(Rejected, match="more than the 2799"):
        decode_image(packed(".jpg"), pixels_max=2_799)


@pytest.mark.parametrize("form", [".jpg", ".png", ".webp"])
def test_an_image_that_is_cut_short_is_refused(form: str) -> None:
    content = packed(form)
    with pytest.raises(Rejected):
        decode_image(content[: len(content) // 2], pixels_max=10_000)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"<svg/>", packed(".bmp"), b"\xff\xd8\xff"])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(Rejected):
        decode_image(content, pixels_max=10_000)


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF1234WEBP"]), st.binary())
def test_whatever_follows_a_good_start_is_read_or_refused(start: bytes, rest: bytes) -> None:
    try:
        decode_image(start + rest, pixels_max=10_000)
    except Rejected:
        return
