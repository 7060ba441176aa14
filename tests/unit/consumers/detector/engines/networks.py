"""Checkpoints of real architectures with random weights that find something, for all five tasks.

A fresh network answers every picture alike, with nothing. Its normalisation is fitted to some
pictures, and its class scores are shifted until a few anchors of each pass the threshold.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from samples.catalog import FOOTAGE

SIZE = (96, 128)
ARCHITECTURES = {
    "detect": "yolov8n.yaml",
    "segment": "yolov8n-seg.yaml",
    "pose": "yolov8n-pose.yaml",
    "classify": "yolov8n-cls.yaml",
    "obb": "yolov8n-obb.yaml",
}
ANCHORS = 12
"""How many anchors of all pictures pass `CONFIDENCE`, and the score that the last one has."""
SCORE = 0.3
DECAY = 0.6
SEED = 3


def quiet_ultralytics(folder: Path) -> None:
    """Keep Ultralytics' settings in `folder`, and it offline; before it is imported."""
    os.environ.update(
        YOLO_CONFIG_DIR=str(folder),
        YOLO_AUTOINSTALL="false",
        YOLO_OFFLINE="1",
        YOLO_VERBOSE="false",
    )


def footage(count: int, size: tuple[int, int] = SIZE) -> Any:
    """Return frames of the real footage, [count, height, width, 3] BGR."""
    import av
    import cv2

    with av.open(str(FOOTAGE)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    step = len(frames) // count
    return np.stack([cv2.resize(frames[index * step], size[::-1]) for index in range(count)])


def save_network(task: str, path: Path, pictures: Any) -> Path:
    """Write the checkpoint of a network for this task that finds something in the pictures."""
    import torch
    from ultralytics.models.yolo.model import YOLO

    torch.manual_seed(SEED)
    yolo = YOLO(ARCHITECTURES[task])
    fit(task, yolo.model, pictures)
    yolo.save(str(path))
    return path


def fit(task: str, network: Any, pictures: Any) -> None:
    """Let a fresh network find something in the pictures."""
    import torch

    batch = torch.from_numpy(pictures[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 255
    _fit_normalisation(network, batch)
    if task != "classify":
        _shrink_boxes(network.model[-1])
        _shift_scores(network, batch)


def _fit_normalisation(network: Any, batch: Any) -> None:
    import torch

    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
    network.train()
    with torch.no_grad():
        network(batch)
    network.eval()


def _shrink_boxes(head: Any) -> None:
    """Make small distances likely, so that boxes lie within the picture and differ."""
    import torch

    nearer = -DECAY * torch.arange(head.reg_max).repeat(4)
    with torch.no_grad():
        for branch in head.cv2:
            branch[-1].bias += nearer


def _shift_scores(network: Any, batch: Any) -> None:
    """Raise all class scores so that `ANCHORS` anchors reach `SCORE`."""
    import torch

    head = network.model[-1]
    with torch.no_grad():
        answer = network(batch)[0]
        raw = answer[0] if isinstance(answer, tuple) else answer
        best = raw[:, 4 : 4 + head.nc].amax(dim=1).flatten().logit()
        shift = np.log(SCORE / (1 - SCORE)) - float(best.topk(ANCHORS).values[-1])
        for branch in head.cv3:
            branch[-1].bias += shift
