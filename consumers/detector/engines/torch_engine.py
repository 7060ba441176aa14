"""Runs a network on a device: pictures up, answers back, one batch at a time.

On CUDA batches are padded to a few sizes, each captured as a CUDA graph; pictures go up through
pinned memory on a stream of their own while the batch before computes, and only what suppression
leaves comes back. On a CPU the shared postprocessing does it all.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from consumers.detector.decode import empty_batch
from consumers.detector.engines.protocol import Batched, Objects, Thresholds
from consumers.detector.engines.torch_decode import TorchDecoder
from consumers.detector.engines.torch_network import CLASSIFY, Network, Tensor, Tensors
from consumers.detector.engines.torch_rooms import PREPARED, RoomMaker, Rooms, Shape, bucket_of
from consumers.detector.engines.torch_selection import confident, strongest, survivors
from consumers.detector.postprocess import objects_for
from wire.errors import Rejected

WARM_UP_RUNS = 2
Answers = list[NDArray[np.float32]]


class NetworkEngine:
    """One network. Safe for threads: they take turns at the device, not at what is around it."""

    def __init__(
        self, network: Network, thresholds: Thresholds, *, kind: str, padded: bool
    ) -> None:
        """Take a network that is loaded; `padded` batches run in rooms."""
        self._network = network
        self._thresholds = thresholds
        self._name = f"{kind}-{network.device.type}-{network.precision}"
        self._cuda = network.device.type == "cuda"
        self._upload, self._compute = _stream(network.device), _stream(network.device)
        maker = RoomMaker(
            step=self._strongest,
            held=network.held,
            device=network.device,
            type=network.type,
            captures=self._cuda and network.can_be_captured,
            pool=torch.cuda.graph_pool_handle() if self._cuda else None,
        )
        self._rooms = Rooms(maker.make) if padded else None
        self._decoder = TorchDecoder(network.device) if self._cuda else None
        self._prepared: set[tuple[int, int]] = set()
        self._busy = threading.Lock()

    @property
    def name(self) -> str:
        """Name the engine, its device and its precision."""
        return self._name

    @property
    def task(self) -> str:
        """Name the task."""
        return self._network.head.task

    @property
    def classes(self) -> Sequence[str]:
        """Name the model's classes, by class id."""
        return self._network.head.names

    @property
    def decoder(self) -> TorchDecoder | None:
        """Return nvJPEG's decoder on CUDA; pictures for a CPU come in main memory."""
        return self._decoder

    def prepare(self, height: int, width: int) -> None:
        """Warm up for this size; raise `Rejected` when the model cannot take it."""
        if (height, width) in self._prepared:
            return
        try:
            self._check(height, width)
            if self._rooms is not None:
                self._furnish(self._rooms, height, width)
            for _ in range(WARM_UP_RUNS):
                self.infer(empty_batch(1, height, width))
        except (RuntimeError, ValueError, AssertionError) as error:
            raise Rejected(f"the model does not take {height}x{width}: {error}") from error
        self._prepared.add((height, width))

    def infer(self, pictures: Batched) -> list[Objects]:
        """Return the objects of each picture."""
        pixels = pictures if isinstance(pictures, torch.Tensor) else self._up(pictures)
        if not len(pixels):
            return []
        height, width = pixels.shape[2:]
        objects: list[Objects] = []
        for part in pixels.split(self._network.batch_size_max):
            objects += objects_for(
                self._answers(part),
                head=self._network.head,
                height=height,
                width=width,
                thresholds=self._thresholds,
            )
        return objects

    def _furnish(self, rooms: Rooms, height: int, width: int) -> None:
        for count in PREPARED:
            with self._turn():
                rooms.room(Shape(count=count, height=height, width=width))

    def _up(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Return pictures in main memory as [N, 3, height, width] RGB on the device."""
        host = torch.from_numpy(pictures)
        if not self._cuda:
            return host.permute(0, 3, 1, 2).flip(1)
        with torch.cuda.stream(self._upload):
            there = host.pin_memory().to(self._network.device, non_blocking=True)
            pixels = there.permute(0, 3, 1, 2).flip(1)
        self._upload.synchronize()
        return pixels

    def _answers(self, pixels: Tensor) -> Answers:
        with self._turn():
            answers = self._whole(pixels) if self._rooms is None else self._in_room(pixels)
            return [answer.cpu().numpy() for answer in answers]

    def _whole(self, pixels: Tensor) -> Tensors:
        batch = pixels.to(self._network.type, memory_format=torch.channels_last)
        return self._network.forward(batch / 255)

    def _in_room(self, pixels: Tensor) -> Tensors:
        """Run the batch in a room for at least as many; return what is worth to travel."""
        assert self._rooms is not None, "only padded batches run in rooms"
        count, _, height, width = pixels.shape
        room = self._rooms.room(Shape(count=bucket_of(count), height=height, width=width))
        room.pixels[:count].copy_(pixels)
        first, *others = (answer[:count] for answer in room.run())
        head = self._network.head
        if head.end2end:
            first = confident(first, self._thresholds.confidence)
        elif head.task != CLASSIFY:
            first = survivors(
                first, classes=len(head.names), task=head.task, thresholds=self._thresholds
            )
        return first, *others

    def _strongest(self, pixels: Tensor) -> Tensors:
        """Return the answers with the best anchors only: what a room repeats."""
        first, *others = self._network.forward(pixels / 255)
        head = self._network.head
        if head.task != CLASSIFY and not head.end2end:
            first = strongest(first, len(head.names))
        return first, *others

    def _check(self, height: int, width: int) -> None:
        with self._turn():
            answers = self._whole(self._up(empty_batch(1, height, width)))
            shapes = [tuple(answer.shape) for answer in answers]
        self._network.head.check(shapes, height=height, width=width)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Take the device: alone, without gradients, on the stream that computes."""
        with self._busy, torch.inference_mode(), self._on_compute():
            yield

    def _on_compute(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self._compute) if self._cuda else nullcontext()


def _stream(device: Any) -> Any:
    if device.type != "cuda":
        return None
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
