"""From the objects of a sliced frame's tiles to the objects of its picture. Pure.

Tiles overlap, so one thing may be found in several. Objects of one tile never drop each other
(the engine has seen to that); of two tiles and one class, the weaker goes when both boxes are
about the same, or when it was cut by its tile's edge and lies inside the other. Whole objects
come before cut ones, then the more confident ones. Something larger than the overlap of two
tiles may be reported in parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from consumers.detector.engines.protocol import Objects
from wire.detections import DetectedObject
from wire.slicing import Slices, corners, picture_size

MERGED_MAX = 300
"""The most objects of one picture, as many as an engine reports."""
SAME_IOU_MAX = 0.5
"""Above this overlap two tiles mean the same thing; pictures cut differently give other boxes."""
INSIDE_SHARE = 0.5
"""The share of a cut object's area that lies in another, above which it is a part of it."""
EDGE_PX = 2.0
DIGITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The objects of all tiles, the best first."""

    boxes: NDArray[np.float64]
    classes: NDArray[np.intp]
    tiles: NDArray[np.intp]
    cut: NDArray[np.bool_]
    objects: tuple[DetectedObject, ...]


def merge(
    tiles: Sequence[Objects], *, slices: Slices, height: int, width: int, iou: float
) -> Objects:
    """Return the objects of the picture; `tiles` row by row, each `height` x `width` px."""
    found = _gather(tiles, slices, height, width)
    areas = _areas(found.boxes)
    left = np.arange(len(found.objects))
    kept: list[int] = []
    while len(left) and len(kept) < MERGED_MAX:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        shared = _areas(
            np.concatenate(
                (
                    np.maximum(found.boxes[best, :2], found.boxes[rest, :2]),
                    np.minimum(found.boxes[best, 2:], found.boxes[rest, 2:]),
                ),
                axis=1,
            )
        )
        same = shared > min(iou, SAME_IOU_MAX) * (areas[best] + areas[rest] - shared)
        inside = found.cut[rest] & (shared > INSIDE_SHARE * np.minimum(areas[best], areas[rest]))
        others = found.tiles[rest] != found.tiles[best]
        left = rest[~((same | inside) & others & (found.classes[rest] == found.classes[best]))]
    return tuple(found.objects[index] for index in kept)


def shift(found: DetectedObject, *, left: float, top: float) -> DetectedObject:
    """Return an object of a tile whose corner lies at (`left`, `top`), in the picture's px."""
    x1, y1, x2, y2 = found.box
    return msgspec.structs.replace(
        found,
        box=(_px(x1 + left), _px(y1 + top), _px(x2 + left), _px(y2 + top)),
        mask=tuple((_px(x + left), _px(y + top)) for x, y in found.mask),
        keypoints=tuple((_px(x + left), _px(y + top), score) for x, y, score in found.keypoints),
        corners=tuple((_px(x + left), _px(y + top)) for x, y in found.corners),
    )


def _gather(tiles: Sequence[Objects], slices: Slices, height: int, width: int) -> _Found:
    size = picture_size(slices, height, width)
    every: list[tuple[bool, float, int, DetectedObject]] = []
    for index, ((top, left), objects) in enumerate(
        zip(corners(slices, height, width), tiles, strict=True)
    ):
        for found in objects:
            cut = _is_cut(found, (top, left), (height, width), size)
            every.append((cut, -found.confidence, index, shift(found, left=left, top=top)))
    every.sort(key=lambda entry: entry[:3])
    return _Found(
        boxes=np.array([entry[3].box for entry in every], dtype=np.float64).reshape(-1, 4),
        classes=np.array([entry[3].class_id for entry in every], dtype=np.intp),
        tiles=np.array([entry[2] for entry in every], dtype=np.intp),
        cut=np.array([entry[0] for entry in every], dtype=np.bool_),
        objects=tuple(entry[3] for entry in every),
    )


def _is_cut(
    found: DetectedObject, corner: tuple[int, int], tile: tuple[int, int], picture: tuple[int, int]
) -> bool:
    """Say whether the object touches an edge of its tile behind which the picture goes on."""
    (top, left), (height, width) = corner, tile
    x1, y1, x2, y2 = found.box
    return (
        (x1 <= EDGE_PX and left > 0)
        or (y1 <= EDGE_PX and top > 0)
        or (x2 >= width - EDGE_PX and left + width < picture[1])
        or (y2 >= height - EDGE_PX and top + height < picture[0])
    )


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    areas: NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return areas


def _px(value: float) -> float:
    return round(value, DIGITS)
