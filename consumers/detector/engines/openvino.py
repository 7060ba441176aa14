"""OpenVINO on a CPU: an IR file with the preprocessing built in; no torch at run time.

The compiled model takes the pictures as they come, [N, height, width, 3] of uint8 in BGR; it
is compiled once for each height and width, with any number of pictures. bf16 where the CPU
computes in it (scores differ from fp32 by at most 0.03).
"""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino.preprocess import ColorFormat, PrePostProcessor

from consumers.detector.decode import Pictures, empty_batch
from consumers.detector.engines.protocol import Objects, Thresholds
from consumers.detector.postprocess import objects_of
from wire.errors import Rejected

DEVICE = "CPU"
WARM_UP_RUNS = 2
METADATA = "metadata.json"


class OpenVinoEngine:
    """One IR model on the CPU. Safe to call from several threads: each call has its request."""

    def __init__(self, path: Path, thresholds: Thresholds, *, threads: int) -> None:
        """Read the model. `threads` 0 takes all cores."""
        self._path = path
        self._thresholds = thresholds
        self._core = openvino.Core()
        self._bf16 = "BF16" in self._core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
        self._threads = threads
        self._names = class_names(path, self._read())
        self._sizes: dict[tuple[int, int], _Compiled] = {}
        self._compiling = threading.Lock()

    @property
    def name(self) -> str:
        """Name the engine and its precision."""
        return "openvino-bf16" if self._bf16 else "openvino-fp32"

    @property
    def task(self) -> str:
        """Name the task."""
        return "detect"

    @property
    def decoder(self) -> None:
        """Have no decoder: pictures come in main memory."""

    def prepare(self, height: int, width: int) -> None:
        """Compile and warm up for this size; raise `Rejected` when the model cannot take it."""
        with self._compiling:
            if (height, width) in self._sizes:
                return
            compiled = _Compiled(self._compile(height, width))
            pictures = empty_batch(1, height, width)
            for _ in range(WARM_UP_RUNS):
                shape = compiled.run(pictures).shape
            if len(shape) != 3 or shape[1] != 4 + len(self._names):
                raise Rejected(
                    f"{self._path.name} answers {list(shape)}, not [N, {4 + len(self._names)},"
                    " anchors]: export it as a detection model without NMS (nms=False)"
                )
            self._sizes[height, width] = compiled

    def infer(self, pictures: Pictures) -> list[Objects]:
        """Return the objects of each picture."""
        height, width = pictures.shape[1:3]
        return objects_of(
            self._sizes[height, width].run(pictures),
            names=self._names,
            height=height,
            width=width,
            thresholds=self._thresholds,
        )

    def _read(self) -> Any:
        try:
            return self._core.read_model(self._path)
        except RuntimeError as error:
            raise Rejected(f"{self._path} is not an OpenVINO model: {error}") from error

    def _compile(self, height: int, width: int) -> Any:
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if self._threads:
            options["INFERENCE_NUM_THREADS"] = self._threads
        options["INFERENCE_PRECISION_HINT"] = "bf16" if self._bf16 else "f32"
        try:
            model = with_preprocessing(self._read())
            model.reshape([-1, height, width, 3])
            return self._core.compile_model(model, DEVICE, options)
        except RuntimeError as error:
            raise Rejected(f"{self._path.name} does not take {height}x{width}: {error}") from error


class _Compiled:
    """A model compiled for one size, and the infer requests that are free."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._free: list[Any] = []

    def run(self, pictures: Pictures) -> Any:
        # list.pop and append are atomic: no lock; as many requests as threads at most.
        request = self._free.pop() if self._free else self._model.create_infer_request()
        request.infer([np.ascontiguousarray(pictures)], share_inputs=True)
        raw = request.get_output_tensor(0).data.copy()
        self._free.append(request)
        return raw


def with_preprocessing(model: Any) -> Any:
    """Return the model with uint8 NHWC BGR as its input; the original takes RGB from 0 to 1."""
    steps = PrePostProcessor(model)
    picture = steps.input()
    picture.tensor().set_element_type(openvino.Type.u8).set_layout(
        openvino.Layout("NHWC")
    ).set_color_format(ColorFormat.BGR)
    picture.model().set_layout(openvino.Layout("NCHW"))
    picture.preprocess().convert_element_type(openvino.Type.f32).convert_color(
        ColorFormat.RGB
    ).scale(255.0)
    return steps.build()


def class_names(path: Path, model: Any) -> Sequence[str]:
    """Return the class names: from `metadata.json` beside the model, or from the IR itself."""
    metadata = path.with_name(METADATA)
    if metadata.is_file():
        try:
            return tuple(str(name) for name in json.loads(metadata.read_text("utf-8"))["classes"])
        except (ValueError, KeyError, TypeError) as error:
            raise Rejected(f"{metadata} has no list of classes: {error}") from error
    if model.has_rt_info(["model_info", "labels"]):
        return tuple(model.get_rt_info(["model_info", "labels"]).astype(str).split())
    raise Rejected(
        f"{path.name} has no class names: put a {METADATA} with"
        ' {"classes": ["person", …]} beside it'
    )
