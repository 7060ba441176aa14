"""From YOLO's raw output to objects: threshold, class-wise suppression, bounded. Pure numpy.

Raw output is [N, 4 + classes, anchors]: box centre and size in px of the input, then one score
for each class. At most `CANDIDATES_MAX` candidates a picture enter suppression, at most
`OBJECTS_MAX` leave it, so that a confidence near zero stays affordable. Agrees with
Ultralytics' `predict` (https://docs.ultralytics.com/modes/predict/) at the same thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumers.detector.engines.protocol import Objects, Thresholds
from wire.detections import DetectedObject

CANDIDATES_MAX = 3000
OBJECTS_MAX = 300
BOX_DIGITS = 2
CONFIDENCE_DIGITS = 4

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What passed the threshold in one picture, the most confident first."""

    boxes: Floats
    """[K, 4], x1 y1 x2 y2 in px."""
    scores: Floats
    """[K]."""
    classes: NDArray[np.intp]
    """[K]."""


def objects_of(
    raw: Floats, *, names: Sequence[str], height: int, width: int, thresholds: Thresholds
) -> list[Objects]:
    """Return the objects of each picture of a batch, boxes clipped to `height` x `width`."""
    return [
        report(
            suppress(candidates_of(picture, thresholds.confidence), thresholds.iou),
            names=names,
            height=height,
            width=width,
        )
        for picture in raw
    ]


def candidates_of(picture: Floats, confidence: float) -> Candidates:
    """Return the candidates of one picture, [4 + classes, anchors]."""
    scores = picture[4:].max(axis=0)
    above = np.flatnonzero(scores > confidence)
    order = above[np.argsort(-scores[above], kind="stable")[:CANDIDATES_MAX]]
    centre, half = picture[:2, order].T, picture[2:4, order].T / 2
    return Candidates(
        boxes=np.concatenate((centre - half, centre + half), axis=1).astype(np.float32),
        scores=scores[order].astype(np.float32),
        classes=picture[4:, order].argmax(axis=0),
    )


def suppress(candidates: Candidates, iou: float) -> Candidates:
    """Drop each candidate that overlaps a more confident one of its class by more than `iou`."""
    boxes, classes = candidates.boxes, candidates.classes
    areas = _areas(boxes)
    left = np.arange(len(boxes))
    kept: list[int] = []
    while len(left) and len(kept) < OBJECTS_MAX:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        shared = _areas(
            np.concatenate(
                (
                    np.maximum(boxes[best, :2], boxes[rest, :2]),
                    np.minimum(boxes[best, 2:], boxes[rest, 2:]),
                ),
                axis=1,
            )
        )
        union = areas[best] + areas[rest] - shared
        overlaps = shared > iou * union
        left = rest[~(overlaps & (classes[rest] == classes[best]))]
    return Candidates(
        boxes=boxes[kept], scores=candidates.scores[kept], classes=candidates.classes[kept]
    )


def report(kept: Candidates, *, names: Sequence[str], height: int, width: int) -> Objects:
    """Return the candidates as objects."""
    limits = np.array([width, height, width, height], dtype=np.float32)
    boxes = np.clip(kept.boxes, 0, limits)
    return tuple(
        DetectedObject(
            class_id=class_id,
            class_name=names[class_id] if class_id < len(names) else f"class-{class_id}",
            confidence=round(score, CONFIDENCE_DIGITS),
            box=(
                round(x1, BOX_DIGITS),
                round(y1, BOX_DIGITS),
                round(x2, BOX_DIGITS),
                round(y2, BOX_DIGITS),
            ),
        )
        for class_id, score, (x1, y1, x2, y2) in zip(
            kept.classes.tolist(), kept.scores.tolist(), boxes.tolist(), strict=True
        )
    )


def _areas(boxes: Floats) -> Floats:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    areas: Floats = sides[:, 0] * sides[:, 1]
    return areas
