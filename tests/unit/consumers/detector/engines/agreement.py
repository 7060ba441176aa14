"""What Ultralytics' `predict` says of pictures, and whether an engine says the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from consumers.detector.engines.protocol import Objects, Thresholds
from wire.detections import DetectedObject

THRESHOLDS = Thresholds(confidence=0.25, iou=0.7)
EDGE = 0.03
"""Objects this near the threshold may be on either side of it."""
PX = 1.0
CLASSES_BEST = 5


def predicted(path: Path, pictures: Any) -> list[Any]:
    """Return Ultralytics' own results, down to just below the threshold."""
    from ultralytics.models.yolo.model import YOLO

    return list(
        YOLO(path).predict(
            list(pictures),
            imgsz=list(pictures.shape[1:3]),
            conf=THRESHOLDS.confidence - EDGE,
            iou=THRESHOLDS.iou,
            device="cpu",
            verbose=False,
            rect=False,
        )
    )


def assert_agreement(task: str, found: list[Objects], results: Sequence[Any]) -> None:
    """Check that each object is in the results, and each sure one of theirs was found."""
    assert sum(map(len, found)) >= len(found), "too little is found to compare"
    for objects, result in zip(found, results, strict=True):
        if task == "classify":
            _assert_classes(objects, result)
            continue
        rows = _rows(task, result)
        for thing in objects:
            assert any(_is(thing, row) for row in rows), f"{thing} is not in {rows}"
        for row in rows:
            if row[1] > THRESHOLDS.confidence + EDGE:
                assert any(_is(thing, row) for thing in objects), f"{row} is not in {objects}"


def _assert_classes(objects: Objects, result: Any) -> None:
    assert len(objects) == CLASSES_BEST
    assert [thing.class_id for thing in objects] == result.probs.top5
    wanted = result.probs.top5conf.tolist()
    assert np.allclose([thing.confidence for thing in objects], wanted, atol=EDGE)


def _rows(task: str, result: Any) -> list[tuple[int, float, Any, Any]]:
    """Return class, score, what marks the place, and what the task adds."""
    boxes = result.obb if task == "obb" else result.boxes
    places = boxes.xyxyxyxy if task == "obb" else boxes.xyxy
    extras = [None] * len(boxes)
    if task == "pose":
        extras = list(result.keypoints.data.numpy())
    if task == "segment" and result.masks is not None:
        extras = list(result.masks.data.numpy() > 0)
    classes, scores = boxes.cls.int().tolist(), boxes.conf.tolist()
    return list(zip(classes, scores, list(places.numpy()), extras, strict=True))


def _is(thing: DetectedObject, row: tuple[int, float, Any, Any]) -> bool:
    class_id, score, place, extra = row
    if thing.class_id != class_id or abs(thing.confidence - score) > EDGE:
        return False
    own = _in_order(thing.corners) if thing.corners else np.array(thing.box)
    other = _in_order(place) if thing.corners else place
    if np.abs(own - other).max() > PX:
        return False
    if thing.keypoints:
        return bool(np.abs(np.array(thing.keypoints) - extra).max() <= PX)
    return not thing.mask or _overlap(thing.mask, extra) > 0.5


def _in_order(corners: Any) -> Any:
    """Return corners so that the same box has the same, wherever its first one is."""
    points = np.array(corners)
    return points[np.lexsort((points[:, 1].round(1), points[:, 0].round(1)))]


def _overlap(outline: Any, mask: Any) -> float:
    """Return the intersection over the union; outlines of random masks are much simplified."""
    import cv2

    drawn = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(drawn, [np.array(outline, np.int32)], 1)
    both = drawn.astype(bool)
    return float((both & mask).sum() / (both | mask).sum())
