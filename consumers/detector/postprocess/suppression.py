"""Which candidates are the same object: class-wise, upright or turned boxes, bounded work.

Candidates come the most confident first and are looked at in blocks, each against what matters
of the blocks before it, so that neither time nor memory grows with the square of their number.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from consumers.detector.postprocess.candidates import OBJECTS_MAX, Candidates, Floats

BLOCK = 256
EPSILON = 1e-7

Flags = NDArray[np.bool_]
Places = NDArray[np.intp]
Same = Callable[[Places, Places], Flags]
"""Says of candidates at the first places [A] and at the second [B] which are the same, [A, B]."""


def suppress(candidates: Candidates, iou: float) -> Candidates:
    """Drop each candidate that overlaps a more confident kept one of its class by over `iou`."""
    same = _upright(candidates, iou)
    kept: Places = np.empty(0, dtype=np.intp)
    for start in range(0, len(candidates), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(candidates)))
        if len(kept):
            block = block[~same(kept, block).any(axis=0)]
        kept = np.concatenate((kept, block[_greedy(np.triu(same(block, block), 1))]))
        if len(kept) >= OBJECTS_MAX:
            break
    return candidates.take(kept[:OBJECTS_MAX])


def suppress_turned(candidates: Candidates, iou: float) -> Candidates:
    """Drop each candidate that overlaps any more confident one of its class by over `iou`.

    The first extra is the angle. Ultralytics' fast NMS by probabilistic overlap
    (https://arxiv.org/abs/2106.06072): even a dropped candidate drops others.
    """
    same = _turned(candidates, iou)
    kept: Places = np.empty(0, dtype=np.intp)
    for start in range(0, len(candidates), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(candidates)))
        repeated = np.triu(same(block, block), 1).any(axis=0)
        if start:
            repeated |= same(np.arange(start), block).any(axis=0)
        kept = np.concatenate((kept, block[~repeated]))
        if len(kept) >= OBJECTS_MAX:
            break
    return candidates.take(kept[:OBJECTS_MAX])


def _greedy(same: Flags) -> Flags:
    """Return which stay, where each that stays drops the later ones that are the same."""
    stays = np.ones(len(same), dtype=np.bool_)
    for place in np.flatnonzero(same.any(axis=1)).tolist():
        if stays[place]:
            stays &= ~same[place]
    return stays


def _upright(candidates: Candidates, iou: float) -> Same:
    """Compare by the overlap of the boxes."""
    x1, y1, x2, y2 = np.ascontiguousarray(candidates.boxes.T)
    areas = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
    classes = candidates.classes

    def same(one: Places, other: Places) -> Flags:
        column = one[:, None]
        shared = np.minimum(x2[column], x2[other]) - np.maximum(x1[column], x1[other])
        np.maximum(shared, 0, out=shared)
        tall = np.minimum(y2[column], y2[other]) - np.maximum(y1[column], y1[other])
        shared *= np.maximum(tall, 0, out=tall)
        overlaps: Flags = shared > iou * (areas[column] + areas[other] - shared)
        overlaps &= classes[column] == classes[other]
        return overlaps

    return same


def _turned(candidates: Candidates, iou: float) -> Same:
    """Compare by the probabilistic overlap; only pairs that are near enough are computed."""
    centre = (candidates.boxes[:, :2] + candidates.boxes[:, 2:]) / 2
    sides = candidates.boxes[:, 2:] - candidates.boxes[:, :2]
    x, y = np.ascontiguousarray(centre.T)
    spread = _covariance(sides, candidates.extras[:, 0])
    # The distance of two boxes over their larger sides bounds their overlap from above.
    reach = np.square(sides).max(axis=1) * (_distance_max(iou) / 3)
    classes = candidates.classes

    def same(one: Places, other: Places) -> Flags:
        column = one[:, None]
        apart = np.square(x[column] - x[other]) + np.square(y[column] - y[other])
        near: Flags = apart <= reach[column] + reach[other]
        near &= classes[column] == classes[other]
        rows, columns = np.nonzero(near)
        first, second = one[rows], other[columns]
        offset = np.stack((x[first] - x[second], y[first] - y[second]))
        near[rows, columns] = _overlap(offset, spread[:, first], spread[:, second]) > iou
        return near

    return same


def _distance_max(iou: float) -> float:
    """Return the Bhattacharyya distance at which the probabilistic overlap is `iou`."""
    return -math.log(max(1 - (1 - iou) ** 2, EPSILON))


def _covariance(sides: Floats, angles: Floats) -> Floats:
    """Return [3, K]: a, b, c of the covariance [[a, c], [c, b]] of each turned box."""
    across, along = np.square(sides).T / 12
    cos, sin = np.cos(angles), np.sin(angles)
    cos2, sin2 = np.square(cos), np.square(sin)
    return np.stack(
        (across * cos2 + along * sin2, across * sin2 + along * cos2, (across - along) * cos * sin)
    )


def _overlap(offset: Floats, one: Floats, other: Floats) -> Floats:
    """Return 1 - Hellinger distance of Gaussians, given centre offsets and covariances."""
    dx, dy = offset
    a, b, c = one + other
    spread = a * b - np.square(c)
    apart = (a * dy * dy + b * dx * dx - 2 * c * dx * dy) / (4 * (spread + EPSILON))
    alone = np.maximum(one[0] * one[1] - np.square(one[2]), 0)
    alone = alone * np.maximum(other[0] * other[1] - np.square(other[2]), 0)
    unlike = np.log(spread / (4 * np.sqrt(alone) + EPSILON) + EPSILON) / 2
    distance = np.clip(apart + unlike, EPSILON, 100)
    overlap: Floats = 1 - np.sqrt(1 - np.exp(-distance) + EPSILON)
    return overlap
