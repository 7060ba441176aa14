"""Masks of segmented objects as outlines: prototypes x coefficients, cut to the box, traced.

Only the part of the prototypes under an object's box is combined and enlarged. A mask in several
parts is one outline: the largest part, and the others joined to it by a line there and back, as
COCO does. Holes are filled. Points are px of the picture, at most `POINTS_MAX`.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from consumers.detector.postprocess.candidates import Floats

POINTS_MAX = 128
PARTS_MAX = 8
"""More parts than these are specks."""
TOLERANCE_PX = 0.5
MARGIN = 1
"""Prototype cells around the box: what enlarging looks at."""

Mask = NDArray[np.uint8]
Points = NDArray[Any]
Outline = tuple[tuple[float, float], ...]


def outline_of(prototypes: Floats, weights: Floats, box: Floats, scale: tuple[int, int]) -> Outline:
    """Return the outline of one object; empty when its mask has no pixel in its box.

    `prototypes` [C, rows, columns], `weights` [C]; `scale` is px of the picture per row and column.
    """
    (down, across), (_, rows, columns) = scale, prototypes.shape
    x1, y1, x2, y2 = (math.ceil(side) for side in box.tolist())
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, columns * across), min(y2, rows * down)
    if x1 >= x2 or y1 >= y2:
        return ()
    top, left = max(y1 // down - MARGIN, 0), max(x1 // across - MARGIN, 0)
    part = prototypes[:, top : -(-y2 // down) + MARGIN, left : -(-x2 // across) + MARGIN]
    logits = np.tensordot(weights, part, axes=1)
    large = cv2.resize(logits, (part.shape[2] * across, part.shape[1] * down))
    inside = large[y1 - top * down : y2 - top * down, x1 - left * across : x2 - left * across] > 0
    return trace(inside.astype(np.uint8), (x1, y1))


def trace(mask: Mask, origin: tuple[int, int] = (0, 0)) -> Outline:
    """Return the outline of the pixels that are not 0, moved by `origin` (x, y)."""
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=origin)
    parts = sorted(found, key=cv2.contourArea, reverse=True)[:PARTS_MAX]
    if not parts:
        return ()
    joined = _join([part.reshape(-1, 2) for part in _simplify(parts)])
    return tuple((float(x), float(y)) for x, y in joined.tolist())


def _simplify(parts: list[Points]) -> list[Points]:
    """Return the parts with few enough points in all, as near to the mask as that allows."""
    # A part that is joined repeats two points.
    room = POINTS_MAX - 2 * (len(parts) - 1)
    tolerance = TOLERANCE_PX
    simple: list[Points] = list(parts)
    while sum(map(len, simple)) > room:
        simple = [cv2.approxPolyDP(part, tolerance, closed=True) for part in parts]
        tolerance *= 2
    return simple


def _join(parts: list[Points]) -> Points:
    """Return one line around all parts: at the nearest points it crosses over and comes back."""
    outline = parts[0]
    for part in parts[1:]:
        apart = np.square(outline[:, None] - part).sum(axis=2)
        here, there = np.unravel_index(apart.argmin(), apart.shape)
        turned = np.concatenate((part[there:], part[: there + 1]))
        outline = np.concatenate((outline[: here + 1], turned, outline[here:]))
    return outline
