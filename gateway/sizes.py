"""The `img_size` of a request: a square's side or `HxW`, checked and never silently changed.

A size that the engines do not take is refused with the nearest ones that they do.
"""

from wire.errors import Rejected
from wire.frames import SIDE_MAX, SIDE_MIN, SIDE_STEP, is_inference_size

SIZE_DEFAULT = 640
SIZE_LENGTH_MAX = 16


def parse_size(img_size: int | str) -> tuple[int, int]:
    """Return (height, width) in pixels; raise `Rejected` with what to send instead."""
    text = str(img_size).strip().lower()
    sides = text.split("x")
    numeric = all(side.isascii() and side.isdecimal() for side in sides)
    if len(text) > SIZE_LENGTH_MAX or len(sides) > 2 or not numeric:
        raise Rejected(
            f"img_size {text[:SIZE_LENGTH_MAX]!r} must be a whole number or HEIGHTxWIDTH,"
            " such as 640 or 384x640"
        )
    height, width = int(sides[0]), int(sides[-1])
    if not is_inference_size(height, width):
        raise Rejected(_advice(height, width, square=len(sides) == 1))
    return height, width


def _advice(height: int, width: int, *, square: bool) -> str:
    choices = [
        (_below(height), _below(width)),
        (_above(height), _above(width)),
    ]
    names = [f"{high}" if square else f"{high}x{wide}" for high, wide in dict.fromkeys(choices)]
    given = f"{height}" if square else f"{height}x{width}"
    return (
        f"img_size {given} is not possible: sides are multiples of {SIDE_STEP} from {SIDE_MIN}"
        f" to {SIDE_MAX}; the nearest are {' and '.join(names)}"
    )


def _below(side: int) -> int:
    return min(max(side // SIDE_STEP * SIDE_STEP, SIDE_MIN), SIDE_MAX)


def _above(side: int) -> int:
    return min(max(-(-side // SIDE_STEP) * SIDE_STEP, SIDE_MIN), SIDE_MAX)
