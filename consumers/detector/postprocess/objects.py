"""The objects of a batch, by task: threshold, suppression, and what each task adds to a box."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumers.detector.engines.protocol import Objects, Thresholds
from consumers.detector.postprocess.candidates import Candidates, Floats, candidates_of, final_of
from consumers.detector.postprocess.heads import Head
from consumers.detector.postprocess.outlines import Outline, outline_of
from consumers.detector.postprocess.suppression import suppress, suppress_turned
from wire.detections import DetectedObject

CLASSES_BEST = 5
PX_DIGITS = 2
CONFIDENCE_DIGITS = 4

Keypoints = tuple[tuple[float, float, float], ...]
Members = tuple[Outline, Keypoints, Outline]
"""What a task adds to an object: its mask, its keypoints, its corners."""
NOTHING: Members = (), (), ()


def objects_of(
    raw: Floats, *, names: Sequence[str], height: int, width: int, thresholds: Thresholds
) -> list[Objects]:
    """Return the objects of each picture of a batch that a detection model answers with `raw`."""
    head = Head(task="detect", names=names)
    return objects_for([raw], head=head, height=height, width=width, thresholds=thresholds)


def objects_for(
    outputs: Sequence[Floats], *, head: Head, height: int, width: int, thresholds: Thresholds
) -> list[Objects]:
    """Return the objects of each picture of a batch of `height` x `width`, boxes cut to that.

    `outputs` are the model's, as `Head` says and has checked.
    """
    if head.task == "classify":
        return [_classes(scores, head, height, width) for scores in outputs[0]]
    found = []
    for index, picture in enumerate(outputs[0]):
        kept = _kept(picture, head, thresholds)
        if head.task == "obb":
            found.append(_turned(kept, head, height, width))
        elif head.task == "segment":
            found.append(_segments(kept, outputs[1][index], head, height, width))
        elif head.task == "pose":
            found.append(_poses(kept, head, height, width))
        else:
            found.append(_report(kept, kept.boxes, head, height, width))
    return found


def _kept(picture: Floats, head: Head, thresholds: Thresholds) -> Candidates:
    """Return what counts of one picture's answers: above the threshold, and each thing once."""
    turned = head.task == "obb"
    if head.end2end:
        return final_of(picture, thresholds.confidence, turned=turned)
    candidates = candidates_of(picture, len(head.names), thresholds.confidence)
    return (suppress_turned if turned else suppress)(candidates, thresholds.iou)


def _report(
    kept: Candidates,
    boxes: Floats,
    head: Head,
    height: int,
    width: int,
    members: Iterable[Members] = repeat(NOTHING),
) -> Objects:
    """Return the candidates as objects, each with the members that its task adds."""
    names = head.names
    cut = _rounded(np.clip(boxes, 0, (width, height, width, height)), PX_DIGITS).tolist()
    scores = _rounded(kept.scores, CONFIDENCE_DIGITS).tolist()
    rows = zip(kept.classes.tolist(), scores, cut, members, strict=False)
    return tuple(
        DetectedObject(
            class_id=class_id,
            class_name=names[class_id],
            confidence=score,
            box=tuple(box),
            mask=mask,
            keypoints=keypoints,
            corners=corners,
        )
        for class_id, score, box, (mask, keypoints, corners) in rows
    )


def _segments(kept: Candidates, prototypes: Floats, head: Head, height: int, width: int) -> Objects:
    """Return the objects that have a mask, with its outline."""
    scale = height // prototypes.shape[1], width // prototypes.shape[2]
    outlines = [
        outline_of(prototypes, weights, box, scale)
        for weights, box in zip(kept.extras, kept.boxes, strict=True)
    ]
    seen = kept.take(np.flatnonzero([len(outline) > 0 for outline in outlines]))
    members = ((outline, (), ()) for outline in outlines if outline)
    return _report(seen, seen.boxes, head, height, width, members)


def _poses(kept: Candidates, head: Head, height: int, width: int) -> Objects:
    """Return the objects with their keypoints, cut to the picture; sure where none are told."""
    assert head.keypoint_shape is not None, "checked when it was made"
    points = np.ones((len(kept), head.keypoint_shape[0], 3))
    points[:, :, : head.keypoint_shape[1]] = kept.extras.reshape(-1, *head.keypoint_shape)
    points[:, :, :2] = _rounded(np.clip(points[:, :, :2], 0, (width, height)), PX_DIGITS)
    points[:, :, 2] = _rounded(points[:, :, 2], CONFIDENCE_DIGITS)
    told: Any = points.tolist()
    members = (((), tuple(map(tuple, body)), ()) for body in told)
    return _report(kept, kept.boxes, head, height, width, members)


def _turned(kept: Candidates, head: Head, height: int, width: int) -> Objects:
    """Return the objects with the corners of their turned boxes, and the boxes around those."""
    corners = corners_of(kept)
    around = np.concatenate((corners.min(axis=1), corners.max(axis=1)), axis=1)
    told: Any = _rounded(corners, PX_DIGITS).tolist()
    members = (((), (), tuple(map(tuple, four))) for four in told)
    return _report(kept, around, head, height, width, members)


def corners_of(kept: Candidates) -> Floats:
    """Return [K, 4, 2]: the corners of boxes turned by their first extra, in radians."""
    centre = (kept.boxes[:, :2] + kept.boxes[:, 2:]) / 2
    half = (kept.boxes[:, 2:] - kept.boxes[:, :2]) / 2
    cos, sin = np.cos(kept.extras[:, 0]), np.sin(kept.extras[:, 0])
    along = np.stack((half[:, 0] * cos, half[:, 0] * sin), axis=1)
    across = np.stack((-half[:, 1] * sin, half[:, 1] * cos), axis=1)
    return np.stack(
        (
            centre + along + across,
            centre + along - across,
            centre - along - across,
            centre - along + across,
        ),
        axis=1,
    )


def _classes(scores: Floats, head: Head, height: int, width: int) -> Objects:
    """Return the best classes, the best one first, each as large as the picture."""
    best = np.argsort(-scores, kind="stable")[:CLASSES_BEST]
    told = _rounded(scores[best], CONFIDENCE_DIGITS).tolist()
    return tuple(
        DetectedObject(
            class_id=class_id,
            class_name=head.names[class_id],
            confidence=score,
            box=(0.0, 0.0, float(width), float(height)),
        )
        for class_id, score in zip(best.tolist(), told, strict=True)
    )


def _rounded(numbers: NDArray[Any], digits: int) -> NDArray[np.float64]:
    """Round in double precision, so that the decimals are those that are printed."""
    return np.asarray(np.round(numbers.astype(np.float64), digits), dtype=np.float64)
