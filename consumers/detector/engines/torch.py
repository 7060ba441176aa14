"""Torch with Ultralytics' model loading, on CUDA (fp16) or on a CPU (fp32), channels last.

Takes a `.pt` file or a name that Ultralytics knows, which it then downloads. On a GPU the
threshold is applied before anything is copied back, so that only candidates travel.
"""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from ultralytics.models.yolo.model import YOLO

from consumers.detector.decode import Pictures, empty_batch
from consumers.detector.engines.protocol import Objects, Thresholds
from consumers.detector.postprocess import CANDIDATES_MAX, objects_of
from wire.errors import Rejected

WARM_UP_RUNS = 2


class TorchEngine:
    """One Ultralytics model. Calls are serialised: the device is used by one batch at a time."""

    def __init__(self, source: str, thresholds: Thresholds, *, threads: int) -> None:
        """Load the weights. `threads` (CPU only) 0 takes all cores."""
        self._cuda = torch.cuda.is_available()
        self._device = torch.device("cuda" if self._cuda else "cpu")
        self._type = torch.float16 if self._cuda else torch.float32
        if threads and not self._cuda:
            torch.set_num_threads(threads)
        self._model, self._names = load_model(source)
        self._model.to(device=self._device, dtype=self._type, memory_format=torch.channels_last)
        self._thresholds = thresholds
        self._prepared: set[tuple[int, int]] = set()
        self._busy = threading.Lock()

    @property
    def name(self) -> str:
        """Name the engine and its precision."""
        return "torch-cuda-fp16" if self._cuda else "torch-cpu-fp32"

    @property
    def task(self) -> str:
        """Name the task."""
        return "detect"

    @property
    def decoder(self) -> None:
        """Have no decoder: pictures come in main memory."""

    def prepare(self, height: int, width: int) -> None:
        """Warm up for this size; raise `Rejected` when the model cannot take it."""
        if (height, width) in self._prepared:
            return
        try:
            for _ in range(WARM_UP_RUNS):
                self.infer(empty_batch(1, height, width))
        except (RuntimeError, ValueError) as error:
            raise Rejected(f"the model does not take {height}x{width}: {error}") from error
        self._prepared.add((height, width))

    def infer(self, pictures: Pictures) -> list[Objects]:
        """Return the objects of each picture."""
        height, width = pictures.shape[1:3]
        with self._busy, torch.inference_mode():
            raw = self._forward(pictures)
        return objects_of(
            raw.float().cpu().numpy(),
            names=self._names,
            height=height,
            width=width,
            thresholds=self._thresholds,
        )

    def _forward(self, pictures: Pictures) -> Any:
        batch = torch.from_numpy(pictures).to(self._device, non_blocking=True)
        batch = batch.flip(-1).permute(0, 3, 1, 2).to(self._type).div_(255)
        raw = self._model(batch.contiguous(memory_format=torch.channels_last))
        raw = raw[0] if isinstance(raw, list | tuple) else raw
        if raw.ndim != 3 or raw.shape[1] != 4 + len(self._names):
            raise ValueError(f"its output is {list(raw.shape)}: only raw detection heads are used")
        return strongest(raw) if self._cuda else raw


def strongest(raw: Any) -> Any:
    """Return only the anchors with the best scores, as many as suppression looks at."""
    count = min(CANDIDATES_MAX, raw.shape[2])
    best = raw[:, 4:].amax(dim=1).topk(count, dim=1).indices
    return raw.gather(2, best[:, None, :].expand(-1, raw.shape[1], -1))


def load_model(source: str) -> tuple[Any, Sequence[str]]:
    """Return the fused model in evaluation mode and its class names; `Rejected` when unusable."""
    try:
        model = YOLO(source)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, ImportError) as error:
        raise Rejected(f"Ultralytics cannot load {source}: {error}") from error
    if model.task != "detect":
        raise Rejected(f"{source} is a {model.task} model; only detect is served")
    network: Any = model.model
    network = network.fuse(verbose=False).eval()
    head = network.model[-1]
    if getattr(head, "end2end", False):
        head.end2end = False
    return network, tuple(str(name) for name in model.names.values())
