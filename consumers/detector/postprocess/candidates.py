"""Which anchors of a picture pass the threshold, the most confident first, bounded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumers.detector.postprocess.heads import BOX_ROWS, FINAL_COLUMNS

CANDIDATES_MAX = 3000
OBJECTS_MAX = 300
SCORE, CLASS = 4, 5
"""Columns of an end-to-end answer."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What passed the threshold in one picture, the most confident first."""

    boxes: Floats
    """[K, 4], x1 y1 x2 y2 in px; of a turned box, before it is turned about its centre."""
    scores: Floats
    """[K]."""
    classes: NDArray[np.intp]
    """[K]."""
    extras: Floats
    """[K, E], what the task adds; E is 0 for `detect`."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.scores)

    def take(self, chosen: NDArray[np.intp]) -> "Candidates":
        """Return those at these places."""
        return Candidates(
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            classes=self.classes[chosen],
            extras=self.extras[chosen],
        )


def candidates_of(picture: Floats, classes: int, confidence: float) -> Candidates:
    """Return the candidates of one picture, [4 + classes + extras, anchors]."""
    scores = picture[BOX_ROWS : BOX_ROWS + classes].max(axis=0)
    above = np.flatnonzero(scores > confidence)
    order = above[np.argsort(-scores[above], kind="stable")[:CANDIDATES_MAX]]
    rows = picture[:, order].T.astype(np.float32, copy=False)
    return Candidates(
        boxes=_corners(rows[:, :BOX_ROWS]),
        scores=scores[order].astype(np.float32, copy=False),
        classes=rows[:, BOX_ROWS : BOX_ROWS + classes].argmax(axis=1),
        extras=rows[:, BOX_ROWS + classes :],
    )


def final_of(picture: Floats, confidence: float, *, turned: bool) -> Candidates:
    """Return the objects that an end-to-end head found, [objects, 6 + extras]: nothing to drop."""
    above = np.flatnonzero(picture[:, SCORE] > confidence)
    order = above[np.argsort(-picture[above, SCORE], kind="stable")[:OBJECTS_MAX]]
    rows = picture[order].astype(np.float32, copy=False)
    boxes = rows[:, :BOX_ROWS]
    return Candidates(
        boxes=_corners(boxes) if turned else boxes,
        scores=rows[:, SCORE],
        classes=rows[:, CLASS].astype(np.intp),
        extras=rows[:, FINAL_COLUMNS:],
    )


def _corners(boxes: Floats) -> Floats:
    """Return boxes of centre and size as x1 y1 x2 y2."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate((centre - half, centre + half), axis=1)
