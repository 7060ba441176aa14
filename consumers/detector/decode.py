"""From a frame's JPEG to pixels: BGR bytes, height x width x 3, of exactly the promised size.

Strict: half a picture is `Rejected`, not a grey lower half; so is a picture of another size
than its frame's headers say, and one in CMYK; both are seen in its header, before anything is
unpacked. Grey pictures are taken as BGR.
"""

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from wire.errors import Rejected

COLOR_SPACES = frozenset({"YCbCr", "RGB", "Gray"})
PIXELS_MAX = 100_000_000
"""Of one picture: a few kB of JPEG can stand for any number of pixels."""

Pictures = NDArray[np.uint8]
"""Pictures of one size, [N, height, width, 3], BGR."""


def empty_batch(count: int, height: int, width: int) -> Pictures:
    """Return room for `count` pictures."""
    return np.empty((count, height, width, 3), dtype=np.uint8)


def decode_whole(picture: bytes, height: int, width: int) -> Pictures:
    """Return the pixels [height, width, 3] of one JPEG; raise `Rejected` with the reason."""
    if height * width > PIXELS_MAX:
        raise Rejected(
            f"a picture of {height}x{width} has over {PIXELS_MAX} pixels: use fewer or smaller"
            " slices"
        )
    room: Pictures = np.empty((height, width, 3), dtype=np.uint8)
    decode_into(picture, room)
    return room


def decode_into(picture: bytes, room: Pictures) -> None:
    """Decode one JPEG into `room` [height, width, 3]; raise `Rejected` with the reason."""
    expected = room.shape[:2]
    try:
        height, width, color_space, _ = simplejpeg.decode_jpeg_header(picture)
        if (height, width) != expected:
            raise Rejected(
                f"the picture is {height}x{width}, its headers say {expected[0]}x{expected[1]}"
            )
        if color_space not in COLOR_SPACES:
            raise Rejected(f"pictures in {color_space} are not taken: send YCbCr or grey")
        simplejpeg.decode_jpeg(picture, "BGR", buffer=room)
    except (ValueError, RuntimeError) as error:
        raise Rejected(f"the picture is not a whole JPEG: {error}") from error
