"""Checkpoints with the heads of YOLO26: one-to-many beside one-to-one, or one-to-one alone.

The body is five layers, so that conversion takes a second; the heads are Ultralytics' own. Beside
the other, the one-to-one head finds nothing: who answers with it is found out.
"""

import copy
from pathlib import Path
from typing import Any

import yaml

from tests.unit.consumers.detector.engines.networks import SEED, fit

CLASSES = 4
HEADS: dict[str, list[Any]] = {
    "detect": ["Detect", [CLASSES]],
    "segment": ["Segment26", [CLASSES, 8, 16]],
    "pose": ["Pose26", [CLASSES, [5, 3]]],
    "obb": ["OBB26", [CLASSES, 1]],
}
BRANCHES = ("cv2", "cv3", "cv4")
MASK_SHIFT = 0.5


def save_two_heads(task: str, path: Path, pictures: Any) -> Path:
    """Write a checkpoint with both heads; the one-to-many one finds something."""
    import torch
    from ultralytics.models.yolo.model import YOLO

    torch.manual_seed(SEED)
    described = path.with_suffix(".yaml")
    described.write_text(yaml.safe_dump(_architecture(task)))
    yolo = YOLO(described, task=task)
    network: Any = yolo.model
    fit(task, network, pictures)
    if task == "segment":
        _fill_masks(network.model[-1])
    yolo.save(str(path))
    return path


def save_one_to_one(both: Path, path: Path) -> Path:
    """Write a checkpoint that fusing left with the one-to-one head, which finds what it did."""
    from ultralytics.models.yolo.model import YOLO

    yolo = YOLO(both)
    network: Any = yolo.model
    head = network.model[-1]
    for name in BRANCHES:
        if hasattr(head, name):
            setattr(head, f"one2one_{name}", copy.deepcopy(getattr(head, name)))
    network.end2end = True
    network.fuse(verbose=False).half().float()  # IR keeps weights in fp16: it shall keep these
    yolo.save(str(path))
    return path


def _fill_masks(head: Any) -> None:
    """Make masks less speckled: their outlines are compared."""
    import torch

    with torch.no_grad():
        for branch in head.cv4:
            branch[-1].bias += MASK_SHIFT


def _architecture(task: str) -> dict[str, Any]:
    widths = (16, 16, 32, 32, 32)
    head = HEADS[task]
    return {
        "nc": CLASSES,
        "end2end": True,
        "reg_max": 1,
        "kpt_shape": [5, 3],
        "backbone": [[-1, 1, "Conv", [width, 3, 2]] for width in widths],
        "head": [[[2, 3, 4], 1, *head]],
    }
