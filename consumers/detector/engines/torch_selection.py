"""From raw answers to the few anchors that matter, on the device, so that only those travel.

The layout stays the one of `postprocess.heads.Head`, with fewer anchors: postprocessing on the CPU
goes on from there and finds nothing more to drop. Turned boxes are suppressed on the CPU alone.
"""

from typing import Any

import torch
from torchvision.ops import nms

from consumers.detector.engines.protocol import Thresholds
from consumers.detector.postprocess import CANDIDATES_MAX, OBJECTS_MAX

BOX_ROWS = 4
SCORE = 4
"""The column of an end-to-end answer."""
TURNED = "obb"
AT_ONCE_MAX = 20_000
"""The most boxes of one call of NMS, whose memory grows with their square: 50 MB for these."""

Tensor = Any


def strongest(raw: Tensor, classes: int) -> Tensor:
    """Return the `CANDIDATES_MAX` anchors with the best scores, the best one first.

    Without a size that depends on the content, so that a CUDA graph can hold it.
    """
    count = min(CANDIDATES_MAX, raw.shape[2])
    best = raw[:, BOX_ROWS : BOX_ROWS + classes].amax(dim=1).topk(count, dim=1).indices
    return raw.gather(2, best[:, None, :].expand(-1, raw.shape[1], -1))


def survivors(raw: Tensor, *, classes: int, task: str, thresholds: Thresholds) -> Tensor:
    """Return of each picture the anchors that suppression leaves: [N, rows, K], zeros behind.

    `raw` is what `strongest` returned.
    """
    scores, ids = raw[:, BOX_ROWS : BOX_ROWS + classes].max(dim=1)
    picture, anchor = (scores > thresholds.confidence).nonzero(as_tuple=True)
    rows = raw[picture, :, anchor]
    if task != TURNED:
        kept = _kept(rows, scores[picture, anchor], ids[picture, anchor], picture, thresholds.iou)
        rows, picture = rows[kept], picture[kept]
    place = _places(picture)
    if task != TURNED:
        first = place < OBJECTS_MAX
        rows, picture, place = rows[first], picture[first], place[first]
    depth = int(place.max()) + 1 if len(place) else 0
    packed = raw.new_zeros((raw.shape[0], raw.shape[1], depth))
    packed[picture, :, place] = rows
    return packed


def confident(final: Tensor, confidence: float) -> Tensor:
    """Return the objects down to the last that is sure enough in any picture.

    `final` is what an end-to-end head answered, [N, objects, columns].
    """
    above = (final[:, :, SCORE] > confidence).any(dim=0).nonzero()
    return final[:, : int(above.max()) + 1 if len(above) else 0]


def _kept(rows: Tensor, scores: Tensor, ids: Tensor, picture: Tensor, iou: float) -> Tensor:
    """Return the places of the rows that stay, in their order."""
    centre, half = rows[:, :2], rows[:, 2:BOX_ROWS] / 2
    boxes = torch.cat((centre - half, centre + half), dim=1)
    if len(boxes) <= AT_ONCE_MAX:
        return nms(apart(boxes, ids, picture), scores, iou).sort().values
    kept = []
    for index in picture.unique().tolist():
        of_it = (picture == index).nonzero().flatten()
        moved = apart(boxes[of_it], ids[of_it], picture[of_it] * 0)
        kept.append(of_it[nms(moved, scores[of_it], iou)])
    return torch.cat(kept).sort().values


def apart(boxes: Tensor, ids: Tensor, picture: Tensor) -> Tensor:
    """Move boxes so that those of other classes or pictures cannot meet.

    Classes go along x and pictures along y: as one row of both, float32 would lose whole pixels.
    """
    if not len(boxes):
        return boxes
    stride = boxes.max() - boxes.min() + 1
    steps = torch.stack((ids, picture, ids, picture), dim=1).to(boxes.dtype)
    return boxes + steps * stride


def _places(picture: Tensor) -> Tensor:
    """Return for each row how many of its picture come before it; pictures are in order."""
    start = torch.searchsorted(picture, picture)
    return torch.arange(len(picture), device=picture.device) - start
