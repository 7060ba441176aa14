"""Average precision at IoU 0.5 (AP50): how well found boxes rank against what is there.

Pure. For each class the found boxes of all pictures, most confident first, each take the object
of their picture that they overlap most and that is not taken yet; AP is the area below precision
over recall, precision made falling (as in COCO and Pascal VOC from 2010 on, every point counted).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

IOU_MIN = 0.5


class Boxed(Protocol):
    """A box of a class: x1, y1, x2, y2 in px."""

    @property
    def class_id(self) -> int:
        """Return the class."""
        ...

    @property
    def x1(self) -> float:
        """Return the left edge."""
        ...

    @property
    def y1(self) -> float:
        """Return the upper edge."""
        ...

    @property
    def x2(self) -> float:
        """Return the right edge."""
        ...

    @property
    def y2(self) -> float:
        """Return the lower edge."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One object that a model found, in pixels."""

    class_id: int
    confidence: float
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One picture: what a model found, and what is there."""

    found: Sequence[Found]
    truth: Sequence[Boxed]


def ap50(pictures: Iterable[Judged]) -> dict[int, float]:
    """Return the average precision of each class that is there at all."""
    there: dict[int, int] = defaultdict(int)
    hits: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for picture in pictures:
        for one in picture.truth:
            there[one.class_id] += 1
        for box, hit in _matched(picture):
            hits[box.class_id].append((box.confidence, hit))
    return {class_id: _area(hits[class_id], there[class_id]) for class_id in sorted(there)}


def mean(precisions: Mapping[int, float]) -> float:
    """Return the mean over the classes; 0 when there are none."""
    return sum(precisions.values()) / len(precisions) if precisions else 0.0


def _matched(picture: Judged) -> list[tuple[Found, bool]]:
    left = list(picture.truth)
    told = []
    for box in sorted(picture.found, key=lambda one: -one.confidence):
        same = [one for one in left if one.class_id == box.class_id]
        best = max(same, key=lambda one: iou(box, one), default=None)
        hit = best is not None and iou(box, best) >= IOU_MIN
        if hit:
            left = [one for one in left if one is not best]
        told.append((box, hit))
    return told


def _area(found: list[tuple[float, bool]], there: int) -> float:
    """Return the area below precision over recall; boxes of equal confidence count together."""
    found.sort(key=lambda one: -one[0])
    points: list[tuple[float, float]] = []
    hits = 0
    for place, (confidence, hit) in enumerate(found, start=1):
        hits += hit
        if place == len(found) or found[place][0] < confidence:
            points.append((hits / there, hits / place))
    area, best = 0.0, 0.0
    for index in range(len(points) - 1, -1, -1):
        recall, precision = points[index]
        best = max(best, precision)
        area += best * (recall - (points[index - 1][0] if index else 0.0))
    return area


def iou(one: Boxed, other: Boxed) -> float:
    """Return the shared part of two boxes, of all that they cover together (0..1)."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    areas = (one.x2 - one.x1) * (one.y2 - one.y1) + (other.x2 - other.x1) * (other.y2 - other.y1)
    return both / (areas - both)
