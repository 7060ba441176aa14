"""A small transparent picture to draw one figure on, in units of the figure's own height.

The origin is the ground below the figure's middle; x points where it faces, y points up. Pixels
are BGRA with premultiplied alpha, and points are placed to 1/16 pixel so that slow figures glide.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Point = tuple[float, float]
Pixels = NDArray[np.uint8]

_SHIFT = 4
_ONE_PIXEL = 1 << _SHIFT
_MARGIN_PX = 4


class Canvas:
    """Draws lines, discs, rings and polygons of one figure."""

    def __init__(self, *, height_px: float, width: float, facing: int, offset: Point) -> None:
        """Make an empty canvas for a figure that is `width` of its heights wide.

        `facing` is 1 for right and -1 for left; `offset` is the fraction of a pixel, right and
        down, by which the figure stands off the canvas' anchor.
        """
        self._unit_px = height_px
        self._facing = facing
        rows = int(height_px * 1.06) + 2 * _MARGIN_PX
        columns = int(height_px * width) + 2 * _MARGIN_PX
        self.pixels: Pixels = np.zeros((rows, columns, 4), np.uint8)
        self.anchor = (columns // 2, rows - _MARGIN_PX)
        self._origin = (self.anchor[0] + offset[0], self.anchor[1] + offset[1])

    def line(self, start: Point, end: Point, colour: Colour, thickness: float) -> None:
        """Draw a line; thickness in heights, at least one pixel."""
        cv2.line(
            self.pixels,
            self._place(start),
            self._place(end),
            _opaque(colour),
            max(1, int(thickness * self._unit_px)),
            cv2.LINE_AA,
            _SHIFT,
        )

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """Draw a filled circle."""
        self.ellipse(centre, (radius, radius), colour)

    def ring(self, centre: Point, radius: float, colour: Colour, thickness: float) -> None:
        """Draw the line of a circle."""
        cv2.circle(
            self.pixels,
            self._place(centre),
            self._length(radius),
            _opaque(colour),
            max(1, int(thickness * self._unit_px)),
            cv2.LINE_AA,
            _SHIFT,
        )

    def ellipse(
        self, centre: Point, radii: Point, colour: Colour, *, upper_half: bool = False
    ) -> None:
        """Draw a filled upright ellipse, or only its upper half."""
        start, end = (180, 360) if upper_half else (0, 360)
        cv2.ellipse(
            self.pixels,
            self._place(centre),
            (self._length(radii[0]), self._length(radii[1])),
            0,
            start,
            end,
            _opaque(colour),
            -1,
            cv2.LINE_AA,
            _SHIFT,
        )

    def polygon(self, points: list[Point], colour: Colour) -> None:
        """Fill a convex polygon."""
        corners = np.array([self._place(point) for point in points], np.int32)
        cv2.fillConvexPoly(self.pixels, corners, _opaque(colour), cv2.LINE_AA, _SHIFT)

    def _place(self, point: Point) -> tuple[int, int]:
        x = self._origin[0] + self._facing * point[0] * self._unit_px
        y = self._origin[1] - point[1] * self._unit_px
        return round(x * _ONE_PIXEL), round(y * _ONE_PIXEL)

    def _length(self, length: float) -> int:
        return max(_ONE_PIXEL, round(length * self._unit_px * _ONE_PIXEL))


def _opaque(colour: Colour) -> tuple[int, int, int, int]:
    return (*colour, 255)
