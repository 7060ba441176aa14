"""Checkpoints of real architectures whose weights are random: `yolov8s` and the like, no download.

A fresh network answers every picture alike, with nothing. Its normalisation is therefore fitted to
some pictures, and the last layer of its class scores shifted, until it finds about as many objects
as a trained one would (`OBJECTS`); an engine's work does not depend on whether they are real.
Needs torch, so it runs in a process of its own.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from wire.errors import Misconfigured

OBJECTS = 10
"""How many objects a picture are aimed at; NMS leaves more or fewer, `OBJECTS_MAX` at most."""
OBJECTS_MIN = 1
OBJECTS_MAX = 100
CONFIDENCE = 0.25
IOU = 0.7
"""A model's thresholds unless its spec says others."""
SEED = 7
PICTURES = 8
"""How many pictures the network is fitted to."""
SEARCH_STEPS = 12
SHIFT_MAX = 20.0
ULTRALYTICS_MOMENTUM = 0.03


async def random_weights(architecture: str, path: Path, packed: Sequence[bytes]) -> float:
    """Write the checkpoint; return how many objects a picture it finds at `CONFIDENCE`.

    Raises `Misconfigured` when Ultralytics knows no such architecture, or no plausible number of
    objects comes about.
    """
    spread = packed[:: max(1, len(packed) // PICTURES)][:PICTURES]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, _make, architecture, path, spread)


def quiet_ultralytics(folder: Path) -> None:
    """Keep Ultralytics' settings in `folder`, and let it neither install nor fetch anything.

    To be called before it is imported.
    """
    os.environ.update(
        YOLO_CONFIG_DIR=str(folder),
        YOLO_AUTOINSTALL="false",
        YOLO_OFFLINE="1",
        YOLO_VERBOSE="false",
    )


def _make(architecture: str, path: Path, packed: Sequence[bytes]) -> float:
    quiet_ultralytics(path.parent)
    import numpy as np
    import simplejpeg
    import torch
    from ultralytics.models.yolo.model import YOLO

    torch.manual_seed(SEED)
    try:
        model = YOLO(f"{architecture}.yaml")
    except (FileNotFoundError, ValueError) as error:
        raise Misconfigured(f"{architecture} is no architecture of Ultralytics: {error}") from error
    pictures = [simplejpeg.decode_jpeg(jpeg, colorspace="BGR") for jpeg in packed]
    stacked = torch.from_numpy(np.stack(pictures)[..., ::-1].copy()).permute(0, 3, 1, 2)
    batch = stacked.float() / 255
    _fit_normalisation(model.model, batch)
    found = _fit_scores(model, batch)
    if not OBJECTS_MIN <= found <= OBJECTS_MAX:
        raise Misconfigured(f"{architecture} with random weights finds {found} objects a picture")
    model.save(str(path))
    return found


def _fit_normalisation(network: Any, batch: Any) -> None:
    """Let each layer's normalisation know the mean and the spread of what it gets."""
    import torch

    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all that is shown
    network.train()
    with torch.no_grad():
        network(batch)
    network.eval()
    for layer in layers:
        layer.momentum = ULTRALYTICS_MOMENTUM


def _fit_scores(model: Any, batch: Any) -> float:
    """Shift the class scores until about `OBJECTS` a picture are found; return how many are."""
    import torch

    with torch.no_grad():
        raw = model.model(batch)[0]
        logits = torch.logit(raw[:, 4:].clone(), eps=1e-12)

    def found(shift: float) -> float:
        return _objects(torch.cat([raw[:, :4], torch.sigmoid(logits + shift)], dim=1))

    low, high = 0.0, SHIFT_MAX
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if found(middle) < OBJECTS else (low, middle)
    with torch.no_grad():
        for branch in model.model.model[-1].cv3:
            branch[-1].bias += high
    return found(high)


def _objects(raw: Any) -> float:
    """Return how many objects a picture are left of the network's raw answer."""
    from ultralytics.utils.nms import non_max_suppression

    kept = non_max_suppression(raw, conf_thres=CONFIDENCE, iou_thres=IOU)
    return round(sum(len(boxes) for boxes in kept) / len(kept), 1)
