"""ONNX Runtime: an `.onnx` that Ultralytics exported, on CUDA where it can, else on the CPU.

Directly, not through Ultralytics' AutoBackend: that would bring torch into the process and copy
each batch through it, and gives back the same arrays. Without torch this needs 200 MB less memory
and starts in half a second.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from consumers.detector.decode import Pictures, empty_batch
from consumers.detector.engines.exported_head import head_of
from consumers.detector.engines.protocol import Objects, Thresholds
from consumers.detector.postprocess import objects_for
from wire.cores import usable_cores
from wire.errors import Rejected

WARM_UP_RUNS = 2
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
HALF = "tensor(float16)"
SEVERITY_ERROR = 3
UNREADABLE = (
    errors.InvalidProtobuf, errors.InvalidGraph, errors.InvalidArgument, errors.Fail,
    errors.NoSuchFile, errors.NotImplemented, errors.RuntimeException,
)  # fmt: skip


class OnnxEngine:
    """One ONNX model. Safe for threads: ONNX Runtime's sessions are."""

    def __init__(self, path: Path, thresholds: Thresholds, *, threads: int) -> None:
        """Read the model. `threads` 0 takes all cores."""
        options = onnxruntime.SessionOptions()
        # Left to choose, ONNX Runtime pins its threads to cores.
        options.intra_op_num_threads = threads or usable_cores()
        options.log_severity_level = SEVERITY_ERROR
        available = onnxruntime.get_available_providers()
        providers = [provider for provider in PROVIDERS if provider in available]
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=providers)
        except UNREADABLE as error:
            raise Rejected(f"{path} is not an ONNX model: {error}") from error
        self._path = path
        self._thresholds = thresholds
        self._head = head_of(path, self._session.get_modelmeta().custom_metadata_map)
        self._input = self._session.get_inputs()[0]
        self._prepared: set[tuple[int, int]] = set()

    @property
    def name(self) -> str:
        """Name the engine, where it runs and its precision."""
        provider = self._session.get_providers()[0].removesuffix("ExecutionProvider").lower()
        return f"onnx-{provider}-{'fp16' if self._half else 'fp32'}"

    @property
    def task(self) -> str:
        """Name the task."""
        return self._head.task

    @property
    def classes(self) -> Sequence[str]:
        """Name the model's classes, by class id."""
        return self._head.names

    @property
    def decoder(self) -> None:
        """Have no decoder: pictures come in main memory."""

    @property
    def _half(self) -> bool:
        return bool(self._input.type == HALF)

    def prepare(self, height: int, width: int) -> None:
        """Warm up for this size; raise `Rejected` when the model cannot take it."""
        if (height, width) in self._prepared:
            return
        try:
            for _ in range(WARM_UP_RUNS):
                answers = self._run(empty_batch(1, height, width))
            # A model with a fixed batch would fail later, on the first full one.
            self._run(empty_batch(2, height, width))
        except UNREADABLE as error:
            raise Rejected(
                f"{self._path.name} does not take batches of {height}x{width}: export it with"
                f" dynamic=True ({error})"
            ) from error
        shapes = [tuple(answer.shape) for answer in answers]
        self._head.check(shapes, height=height, width=width)
        self._prepared.add((height, width))

    def infer(self, pictures: Pictures) -> list[Objects]:
        """Return the objects of each picture."""
        height, width = pictures.shape[1:3]
        return objects_for(
            self._run(pictures),
            head=self._head,
            height=height,
            width=width,
            thresholds=self._thresholds,
        )

    def _run(self, pictures: Pictures) -> list[NDArray[np.float32]]:
        batch: Any = cv2.dnn.blobFromImages(list(pictures), 1 / 255, swapRB=True)
        if self._half:
            batch = batch.astype(np.float16)
        answers = self._session.run(None, {self._input.name: batch})
        return [answer.astype(np.float32, copy=False) for answer in answers]
