"""Pictures on their way to the topic: fitted to the inference size, packed as JPEG.

The fit is the letterbox that the YOLO family is trained with: aspect ratio kept, centred, the
rest grey. Boxes that come back are in pixels of the fitted picture; `Letterboxed` maps them home.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from wire.errors import Rejected
from wire.frames import PICTURE_BYTES_MAX

Picture = npt.NDArray[np.uint8]
"""Height x width x 3, blue-green-red."""
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""
Point = tuple[float, float]
"""x, y in pixels."""

GREY = 114
SUBSAMPLING = "420"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterboxed:
    """A fitted picture and how it was fitted: `fitted = source * scale + (left, top)`."""

    picture: Picture
    scale: float
    left: int
    top: int
    source_height: int
    source_width: int

    def unletterbox(self, box: Box) -> Box:
        """Return the box in pixels of the source picture, cut off at its edges."""
        return unletterbox(
            box,
            scale=self.scale,
            offset=(self.left, self.top),
            source=(self.source_height, self.source_width),
        )

    def source_point(self, point: Point) -> Point:
        """Return the point in pixels of the source picture, which may lie beside it."""
        return (point[0] - self.left) / self.scale, (point[1] - self.top) / self.scale

    def source_point_within(self, point: Point) -> Point:
        """Return the point in pixels of the source picture, moved to its edge where beside it."""
        x, y = self.source_point(point)
        return _within(x, self.source_width), _within(y, self.source_height)


def letterbox(picture: Picture, height: int, width: int) -> Letterboxed:
    """Return the picture fitted into `height` x `width`; a picture of that size stays as it is."""
    source_height, source_width = picture.shape[:2]
    assert source_height > 0 and source_width > 0 and picture.shape[2] == 3, picture.shape
    scale = min(height / source_height, width / source_width)
    inner_height = max(1, round(source_height * scale))
    inner_width = max(1, round(source_width * scale))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    return Letterboxed(
        picture=_framed(_resized(picture, inner_height, inner_width), (height, width), (top, left)),
        scale=scale,
        left=left,
        top=top,
        source_height=source_height,
        source_width=source_width,
    )


def unletterbox(box: Box, *, scale: float, offset: tuple[int, int], source: tuple[int, int]) -> Box:
    """Return a box of a fitted picture in pixels of its source.

    `offset` is (left, top) in fitted pixels, `source` the (height, width) to cut the box off at.
    """
    left, top = offset
    height, width = source
    x1, y1, x2, y2 = box
    return (
        _within((x1 - left) / scale, width),
        _within((y1 - top) / scale, height),
        _within((x2 - left) / scale, width),
        _within((y2 - top) / scale, height),
    )


def encode_jpeg(picture: Picture, quality: int) -> bytes:
    """Return the picture as JPEG bytes (quality 1 to 100); raise `Rejected` when it cannot be."""
    try:
        packed: bytes = simplejpeg.encode_jpeg(
            np.ascontiguousarray(picture), quality, "BGR", SUBSAMPLING
        )
    except ValueError as error:
        raise Rejected(f"a picture cannot be packed as JPEG: {error}") from error
    return packed


def check_bytes(packed: bytes) -> bytes:
    """Return a packed picture; raise `Rejected` unless it fits into one message."""
    if not 0 < len(packed) <= PICTURE_BYTES_MAX:
        raise Rejected(
            f"a picture of {len(packed)} bytes does not fit into a message of at most"
            f" {PICTURE_BYTES_MAX}: lower the inference size, the number of slices or the quality"
        )
    return packed


def decode_jpeg(packed: bytes) -> Picture:
    """Return the picture in a JPEG; raise `Rejected` when it is not a whole one."""
    try:
        picture: Picture = simplejpeg.decode_jpeg(packed, "BGR")
    except ValueError as error:
        raise Rejected(f"not a JPEG picture: {error}") from error
    return picture


def _resized(picture: Picture, height: int, width: int) -> Picture:
    if picture.shape[:2] == (height, width):
        return picture
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False)


def _framed(picture: Picture, size: tuple[int, int], offset: tuple[int, int]) -> Picture:
    if picture.shape[:2] == size:
        return picture
    (top, left), (height, width) = offset, picture.shape[:2]
    canvas = np.full((*size, 3), GREY, dtype=np.uint8)
    canvas[top : top + height, left : left + width] = picture
    return canvas


def _within(value: float, side: int) -> float:
    return min(max(value, 0.0), float(side))
