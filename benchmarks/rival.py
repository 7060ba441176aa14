"""What Ultralytics does with the same pictures and files, in processes of its own.

Its defaults stand: torch, fp32, one batch at a time (on a GPU `half=True`). Only the size and the
thresholds are set to the model's, so that the work is the same. What comes before the first
result (loading, fusing, warming up) is left out, as it is for ours.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.random_weights import quiet_ultralytics
from benchmarks.subject import Subject

WARM_UP_BATCHES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """How fast it was, on what, and how many objects a picture it found."""

    images_per_second: float
    device: str
    objects: float
    images: int


@dataclass(slots=True, kw_only=True)
class Counted:
    """Results as they come."""

    skip: int
    images: int = 0
    objects: int = 0
    moments_s: list[float] = field(default_factory=list)

    def add(self, results: Sequence[Any]) -> None:
        """Count a batch's results."""
        self.images += len(results)
        self.objects += sum(len(result.boxes) for result in results)
        self.moments_s.append(time.perf_counter())

    def predicted(self, device: str, *, batch_size: int) -> Predicted:
        """Return the speed from the end of the warm-up to the last batch."""
        moments = self.moments_s[self.skip :]
        assert len(moments) > 1, "the run was too short to measure a speed"
        images = (len(moments) - 1) * batch_size
        return Predicted(
            images_per_second=images / (moments[-1] - moments[0]),
            device=device,
            objects=round(self.objects / self.images, 1),
            images=self.images,
        )


async def predict_lists(
    found: Subject, folder: Path, *, batch_size: int, seconds: float
) -> Predicted:
    """Give `YOLO.predict` lists of decoded pictures for some time; its settings lie in `folder`."""
    return await _alone(_predict_lists, found, folder, batch_size, seconds)


async def predict_streams(found: Subject, streams: Path, *, openvino: bool) -> Predicted:
    """Let `YOLO.predict` play a `.streams` file to its end, by torch or its own OpenVINO export.

    `stream_buffer` is on: without it pictures are thrown away, and the run is over when the files
    are decoded.
    """
    return await _alone(_predict_streams, found, streams, openvino)


async def _alone(work: Any, *arguments: object) -> Predicted:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        result: Predicted = await loop.run_in_executor(pool, work, *arguments)
        return result


def _predict_lists(found: Subject, folder: Path, batch_size: int, seconds: float) -> Predicted:
    quiet_ultralytics(folder)
    import simplejpeg

    pictures = [simplejpeg.decode_jpeg(jpeg, colorspace="BGR") for jpeg in found.packed]
    batches = cycle(list(_lists(pictures, batch_size)))
    model, options = _model(found, str(found.checkpoint))
    counted = Counted(skip=WARM_UP_BATCHES)
    until: float | None = None
    while until is None or time.perf_counter() < until or len(counted.moments_s) < 2 + counted.skip:
        counted.add(model.predict(next(batches), **options))
        if until is None and len(counted.moments_s) > WARM_UP_BATCHES:
            until = time.perf_counter() + seconds
    return counted.predicted(_device(model), batch_size=batch_size)


def _predict_streams(found: Subject, streams: Path, openvino: bool) -> Predicted:
    quiet_ultralytics(streams.parent)
    cameras = len(streams.read_text("utf-8").split())
    weights = _exported(found, streams.parent, cameras) if openvino else str(found.checkpoint)
    model, options = _model(found, weights)
    counted = Counted(skip=WARM_UP_BATCHES)
    results = model.predict(str(streams), stream=True, stream_buffer=True, vid_stride=1, **options)
    batch: list[Any] = []
    for result in results:
        batch.append(result)
        if len(batch) == cameras:
            counted.add(batch)
            batch = []
    device = "openvino" if openvino else _device(model)
    return counted.predicted(device, batch_size=cameras)


def _exported(found: Subject, folder: Path, batch: int) -> str:
    """Return Ultralytics' own OpenVINO export of the checkpoint, made for so many cameras."""
    import shutil

    from ultralytics.models.yolo.model import YOLO

    copied = folder / f"rival-{batch}-{found.checkpoint.name}"
    exported = copied.with_name(f"{copied.stem}_openvino_model")
    if not exported.exists():
        shutil.copy(found.checkpoint, copied)  # it writes beside the weights
        size = (found.height, found.width)
        return str(YOLO(str(copied)).export(format="openvino", imgsz=size, batch=batch))
    return str(exported)


def _model(found: Subject, weights: str) -> tuple[Any, dict[str, Any]]:
    from ultralytics.models.yolo.model import YOLO

    options: dict[str, Any] = {
        "imgsz": (found.height, found.width),
        "conf": found.spec.confidence,
        "iou": found.spec.iou,
        "verbose": False,
        "save": False,
    }
    if _has_cuda():
        options["half"] = True
    return YOLO(weights, task=found.spec.task), options


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _device(model: Any) -> str:
    return f"torch, {model.predictor.device}"


def _lists(pictures: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """Yield full lists; a rest that would not fill one is left out."""
    for first in range(0, len(pictures) - size + 1, size):
        yield list(pictures[first : first + size])
