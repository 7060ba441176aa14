"""How a frame's price grows with its area: H·W / 640², or by points that a tariff names.

Pure and exact. Between two points the area factor is linear in the pixels; below the first and
above the last it is proportional to them. So it is above zero and grows with the pixels, and one
point of 640x640 px with the factor 1 is H·W / 640² again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

REFERENCE_PIXELS = 640 * 640


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaPoint:
    """The area factor of a frame of so many pixels."""

    pixels: int
    factor: Fraction


REFERENCE = AreaPoint(pixels=REFERENCE_PIXELS, factor=Fraction(1))


def area_factor(points: Sequence[AreaPoint], pixels: int) -> Fraction:
    """Return the area factor of `pixels`; the points grow in pixels and in factor."""
    known = points or (REFERENCE,)
    for low, high in pairwise(known):
        if low.pixels <= pixels <= high.pixels:
            share = Fraction(pixels - low.pixels, high.pixels - low.pixels)
            return low.factor + share * (high.factor - low.factor)
    end = known[0] if pixels < known[0].pixels else known[-1]
    return end.factor * Fraction(pixels, end.pixels)
