"""Rooms: where batches of one padded size run again and again, as CUDA graphs on a GPU.

A batch is padded to the next of `BUCKETS`, so that few shapes are warmed up and captured. At most
`ROOMS_MAX` rooms are kept, the one used longest ago goes first. A graph replays what was captured
at the same addresses: a room keeps every tensor alive that its graph reads.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
import torch

Tensor = Any
Tensors = tuple[Tensor, ...]
Step = Callable[[Tensor], Tensors]
"""From bytes in a float type, 0..255, to the answers."""

BUCKETS = (1, 2, 4, 8, 16, 32, 64)
PREPARED = (1, 2, 4, 8, 16)
"""Buckets that are ready before the first batch; larger ones are made when they are needed."""
ROOMS_MAX = 24
WARM_UP_RUNS = 3

CAPTURE = threading.Lock()
"""Held while a graph is captured, which begins by waiting for the whole device: one at a time in
this process, whatever the engine."""

log = structlog.stdlib.get_logger("consumers.detector.engines")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The shape of a room: how many pictures, of which size."""

    count: int
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One shape, ready to run."""

    pixels: Tensor
    """[count, 3, height, width], where a batch is put before `run`."""
    run: Callable[[], Tensors]
    """Answers for `pixels`; what it returns is overwritten by the next run of any room."""
    held: Tensors


def bucket_of(count: int) -> int:
    """Return how many pictures the room for `count` of them has."""
    assert 0 < count <= BUCKETS[-1], "batches are cut to the largest bucket"
    return next(bucket for bucket in BUCKETS if bucket >= count)


class Rooms:
    """The rooms of one network, made when they are asked for. Not safe for threads by itself."""

    def __init__(self, make: Callable[[Shape], Room], *, size_max: int = ROOMS_MAX) -> None:
        """Keep at most `size_max` rooms."""
        self._make = make
        self._size_max = size_max
        self._rooms: OrderedDict[Shape, Room] = OrderedDict()

    def __len__(self) -> int:
        """Return how many rooms there are."""
        return len(self._rooms)

    def room(self, shape: Shape) -> Room:
        """Return the room of this shape."""
        room = self._rooms.pop(shape, None)
        while room is None and len(self._rooms) >= self._size_max:
            self._rooms.popitem(last=False)
        self._rooms[shape] = room = room or self._make(shape)
        return room


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomMaker:
    """Makes rooms on one device: captured where that works, else run step by step."""

    step: Step
    held: Callable[[], Tensors]
    device: Any
    type: Any
    captures: bool
    pool: Any = None
    """Memory that the graphs share: only one of them runs at a time."""

    def make(self, shape: Shape) -> Room:
        """Return a room, warmed up."""
        pixels = torch.zeros(
            (shape.count, 3, shape.height, shape.width), dtype=self.type, device=self.device
        ).contiguous(memory_format=torch.channels_last)
        for _ in range(WARM_UP_RUNS):
            self.step(pixels)
        held = self.held()
        if self.captures:
            try:
                return Room(pixels=pixels, run=self._captured(pixels), held=held)
            except RuntimeError as error:
                log.warning(
                    "no CUDA graph: batches of this size run step by step",
                    pictures=shape.count,
                    height=shape.height,
                    width=shape.width,
                    error=str(error),
                )
        return Room(pixels=pixels, run=lambda: self.step(pixels), held=held)

    def _captured(self, pixels: Tensor) -> Callable[[], Tensors]:
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.current_stream(self.device)
        # Other engines of this process go on meanwhile: only this thread must not do what a
        # capture forbids.
        mode = "thread_local"
        with CAPTURE, torch.cuda.graph(graph, self.pool, stream, capture_error_mode=mode):
            answers = self.step(pixels)

        def replay() -> Tensors:
            graph.replay()
            return answers

        return replay
