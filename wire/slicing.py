"""How a large picture is cut into tiles of the inference size, so that small objects are seen.

A sliced frame is published as one picture of `picture_size`; the detector cuts it into
`rows * columns` tiles that overlap, each of exactly the inference size. Its price is tiles times
the price of a tile, known before. Pure.
"""

import msgspec

from wire.errors import Rejected

SIDES_MAX = 8
"""Rows, and columns, at most."""
TILES_MAX = 32
OVERLAP_MAX = 0.5
PICTURE_SIDE_MAX = 16_384
"""Far below what a JPEG may have."""
PICTURE_PIXELS_MAX = 2**25
"""So that a decoded picture stays affordable (100 MB): 32 tiles of 1024x1024."""
_DIGITS = 3


class Slices(msgspec.Struct, frozen=True, array_like=True):
    """`[rows, columns, overlap]`; overlap is the share (0..0.5) of a tile that neighbours see."""

    rows: int
    columns: int
    overlap: float = 0.2

    @property
    def tiles(self) -> int:
        """How many tiles one picture has."""
        return self.rows * self.columns

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}x{self.overlap:g}"


def check(slices: Slices, height: int, width: int) -> Slices:
    """Return slices for tiles of `height` x `width` px; raise `Rejected` with what is wrong."""
    if not (1 <= slices.rows <= SIDES_MAX and 1 <= slices.columns <= SIDES_MAX):
        raise Rejected(f"slices {slices}: rows and columns must be 1 to {SIDES_MAX}")
    if slices.tiles > TILES_MAX:
        raise Rejected(f"slices {slices} make {slices.tiles} tiles, more than {TILES_MAX}")
    if not 0 <= slices.overlap <= OVERLAP_MAX or round(slices.overlap, _DIGITS) != slices.overlap:
        raise Rejected(
            f"slices {slices}: the overlap must be 0 to {OVERLAP_MAX}, to {_DIGITS} decimals"
        )
    high, wide = picture_size(slices, height, width)
    if max(high, wide) > PICTURE_SIDE_MAX:
        raise Rejected(f"slices {slices} of {height}x{width} are over {PICTURE_SIDE_MAX} px a side")
    if high * wide > PICTURE_PIXELS_MAX:
        raise Rejected(
            f"slices {slices} of {height}x{width} make a picture of {high}x{wide} px, over"
            f" {PICTURE_PIXELS_MAX} in all: take fewer or smaller tiles"
        )
    return slices


def parse(text: str) -> Slices:
    """Return the slices written as `2x3x0.2` or `2x3`, not checked; raise `Rejected`."""
    parts = text.split("x")
    try:
        if len(text) > 32 or len(parts) not in (2, 3):
            raise ValueError
        overlap = float(parts[2]) if len(parts) == 3 else 0.2
        return Slices(rows=int(parts[0]), columns=int(parts[1]), overlap=overlap)
    except ValueError:
        raise Rejected(
            f"slices {text[:32]!r} must be ROWSxCOLUMNSxOVERLAP, such as 2x3x0.2"
        ) from None


def tiles_of(slices: Slices | None) -> int:
    """Return how many tiles a frame has: 1 when it is not sliced."""
    return 1 if slices is None else slices.tiles


def picture_size(slices: Slices | None, height: int, width: int) -> tuple[int, int]:
    """Return (height, width) in px of the published picture, of tiles of this inference size."""
    if slices is None:
        return height, width
    return (
        _span(slices.rows, height, slices.overlap),
        _span(slices.columns, width, slices.overlap),
    )


def corners(slices: Slices, height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return (top, left) in px of each tile, row by row."""
    down, right = _step(height, slices.overlap), _step(width, slices.overlap)
    return tuple(
        (row * down, column * right)
        for row in range(slices.rows)
        for column in range(slices.columns)
    )


def _step(side: int, overlap: float) -> int:
    return side - round(side * overlap)


def _span(count: int, side: int, overlap: float) -> int:
    return side + (count - 1) * _step(side, overlap)
