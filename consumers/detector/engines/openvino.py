"""OpenVINO on a CPU: an IR file with the preprocessing built in; no torch at run time.

Compiled for each height and width, for one picture at a time: fixed shapes run faster than open
ones, and a CPU gains nothing from batches. The pictures of a batch are shared out over as many
streams as OpenVINO finds best for the cores, and the objects of one are found while the next ones
run. A picture that comes alone, while no other is at work, has all cores to itself.
bf16 where the CPU computes in it (scores differ from fp32 by at most 0.03).
"""

import json
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino.preprocess import ColorFormat, PrePostProcessor

from consumers.detector.decode import Pictures
from consumers.detector.engines.protocol import Objects, Thresholds
from consumers.detector.postprocess import Head, objects_for
from wire.errors import Rejected

DEVICE = "CPU"
METADATA = "metadata.json"
AHEAD_PER_STREAM = 2
"""Requests of one batch that run or wait, for each stream: enough to keep all of them busy."""
GREY = 114
"""What warms up: Ultralytics' padding colour."""


class OpenVinoEngine:
    """One IR model on the CPU. Safe to call from several threads."""

    def __init__(self, path: Path, thresholds: Thresholds, *, threads: int) -> None:
        """Read the model. `threads` 0 takes all cores."""
        self._path = path
        self._thresholds = thresholds
        self._core = openvino.Core()
        self._threads = threads
        model = self._read()
        self._head = head_of(path, model)
        self._bf16 = "BF16" in self._core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
        self._int8 = any(node.get_type_name() == "FakeQuantize" for node in model.get_ops())
        self._sizes: dict[tuple[int, int], _Prepared] = {}
        self._compiling = threading.Lock()
        self._counting = threading.Lock()
        self._at_work = 0

    @property
    def name(self) -> str:
        """Name the engine and its precision."""
        if self._int8:
            return "openvino-int8"
        return "openvino-bf16" if self._bf16 else "openvino-fp32"

    @property
    def task(self) -> str:
        """Name the task."""
        return self._head.task

    @property
    def classes(self) -> Sequence[str]:
        """Name the classes."""
        return self._head.names

    @property
    def decoder(self) -> None:
        """Have no decoder: pictures come in main memory."""

    def prepare(self, height: int, width: int) -> None:
        """Compile and warm up for this size; raise `Rejected` when the model cannot take it."""
        with self._compiling:
            if (height, width) in self._sizes:
                return
            many = _Compiled(self._compile(height, width, "THROUGHPUT"))
            self._head.check(many.shapes, height=height, width=width)
            # With one stream there is nothing to gain: it has all cores.
            alone = _Compiled(self._compile(height, width, "LATENCY")) if many.streams > 1 else many
            self._sizes[height, width] = _Prepared(many=many, alone=alone)
        for count in (many.ahead, 1):
            self.infer(np.full((count, height, width, 3), GREY, dtype=np.uint8))

    def infer(self, pictures: Pictures) -> list[Objects]:
        """Return the objects of each picture."""
        prepared = self._sizes[pictures.shape[1], pictures.shape[2]]
        with self._counting:
            is_alone = self._at_work == 0 and len(pictures) == 1
            self._at_work += 1
        try:
            return self._objects(prepared.alone if is_alone else prepared.many, pictures)
        finally:
            with self._counting:
                self._at_work -= 1

    def _objects(self, compiled: "_Compiled", pictures: Pictures) -> list[Objects]:
        height, width = pictures.shape[1:3]
        found: list[Objects] = []
        for outputs in compiled.answers(pictures):
            found += objects_for(
                outputs, head=self._head, height=height, width=width, thresholds=self._thresholds
            )
        return found

    def _read(self) -> Any:
        try:
            return self._core.read_model(self._path)
        except RuntimeError as error:
            raise Rejected(f"{self._path} is not an OpenVINO model: {error}") from error

    def _compile(self, height: int, width: int, hint: str) -> Any:
        # Pinned threads stay on their cores whatever else runs there: a second detector's, first.
        options: dict[str, Any] = {"PERFORMANCE_HINT": hint, "ENABLE_CPU_PINNING": False}
        if self._threads:
            options["INFERENCE_NUM_THREADS"] = self._threads
        options["INFERENCE_PRECISION_HINT"] = "bf16" if self._bf16 else "f32"
        try:
            model = with_preprocessing(self._read())
            model.reshape([1, height, width, 3])
            return self._core.compile_model(model, DEVICE, options)
        except RuntimeError as error:
            raise Rejected(f"{self._path.name} does not take {height}x{width}: {error}") from error


class _Compiled:
    """A model compiled for one size, and the infer requests that are free."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._free: deque[Any] = deque()
        self.streams = int(model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        """How many pictures run side by side."""
        self.ahead = AHEAD_PER_STREAM * self.streams
        """How many requests of one batch are under way at most."""

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the outputs for one picture; -1 where they depend on its pixels."""
        return [
            tuple(side.get_length() if side.is_static else -1 for side in output.partial_shape)
            for output in self._model.outputs
        ]

    def answers(self, pictures: Pictures) -> Iterator[list[Any]]:
        """Yield the outputs for each picture, in order; each may be read until the next is asked.

        No copies: they are views of a request's memory, which goes back when it has been read.
        """
        under_way: deque[Any] = deque()
        try:
            for picture in np.ascontiguousarray(pictures):
                if len(under_way) == self.ahead:
                    yield from self._finish(under_way.popleft())
                request = self._take()
                request.start_async([picture[None]], share_inputs=True)
                under_way.append(request)
            while under_way:
                yield from self._finish(under_way.popleft())
        finally:
            # Only after a failure: what was started must end before its pictures go away.
            for request in under_way:
                request.wait()

    def _finish(self, request: Any) -> Iterator[list[Any]]:
        request.wait()
        yield [request.get_output_tensor(index).data for index in range(len(self._model.outputs))]
        self._free.append(request)

    def _take(self) -> Any:
        # The ends of a deque are safe to use from several threads.
        try:
            return self._free.pop()
        except IndexError:
            return self._model.create_infer_request()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What a size is run with: batches over streams, a lone picture over all cores."""

    many: _Compiled
    alone: _Compiled


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


def head_of(path: Path, model: Any) -> Head:
    """Return what the outputs mean: from `metadata.json` beside the model, or from the IR itself.

    The IR knows the names of its classes only: without the file it is a detection model.
    """
    metadata = path.with_name(METADATA)
    if metadata.is_file():
        try:
            return head_from(json.loads(metadata.read_text("utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise Rejected(f"{metadata} has no list of classes: {error!r}") from error
        except Rejected as error:
            raise Rejected(f"{metadata}: {error}") from error
    if model.has_rt_info(["model_info", "labels"]):
        labels = model.get_rt_info(["model_info", "labels"]).astype(str)
        return Head(task="detect", names=tuple(labels.split()))
    raise Rejected(
        f"{path.name} has no class names: put a {METADATA} with"
        ' {"task": "detect", "classes": ["person", …]} beside it'
    )


def head_from(facts: dict[str, Any]) -> Head:
    """Return the head that `metadata.json` describes; the task is detect when it is not told."""
    shape = facts.get("keypoint_shape")
    end2end = facts.get("end2end", False)
    if not isinstance(end2end, bool):
        raise Rejected('"end2end" must be true or false')
    return Head(
        task=facts.get("task", "detect"),
        names=tuple(str(name) for name in facts["classes"]),
        keypoint_shape=None if shape is None else (int(shape[0]), int(shape[1])),
        end2end=end2end,
    )
