"""One model on one engine in a process of its own, told when to work and for how long.

Engines disturb each other inside a process (torch beside OpenVINO most of all). Between two
calls a probe waits on its pipe, so at any time one model works and all others are idle. A frame
is what it is to a detector: JPEGs of the inference size, decoded in threads, then inferred.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import simplejpeg

from consumers.detector.decode import decode_into, empty_batch
from consumers.detector.engines.choose import EngineLoader
from consumers.detector.engines.protocol import Batched, Engine
from samples.catalog import FOOTAGE
from wire.errors import FramemeterError, Rejected
from wire.models import ModelSpec

QUALITY = 80
PICTURES = 8
"""So many different pictures; a larger batch holds some of them twice."""
PICTURE_EVERY = 40
STOP_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a probe loads, and with how many threads it decodes."""

    spec: ModelSpec
    loader: EngineLoader
    decode_threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Work: batches of this many frames of this size, until `seconds` have passed."""

    height: int
    width: int
    batch: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A probe has loaded its model."""

    engine: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A probe cannot go on; the reason is for people."""

    reason: str


class Probe:
    """The parent's end. Only one probe may work at a time; the caller sees to that."""

    def __init__(self, name: str, connection: Connection, process: Any) -> None:
        self._name = name
        self._connection = connection
        self._process = process
        self.ready: Ready = self._answer()

    def work(self, asked: Slice) -> float:
        """Return the seconds that a frame takes; raise `Rejected` with the engine's reason."""
        self._connection.send(asked)
        return float(self._answer())

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError:
            self._process.join(STOP_S)
            raise Rejected(
                f"the process that measured {self._name} ended with code"
                f" {self._process.exitcode}: it may lack memory for so many sizes at once"
            ) from None
        if isinstance(answer, Failed):
            raise Rejected(f"{self._name} cannot be measured: {answer.reason}")
        return answer


@contextmanager
def probing(name: str, order: Order) -> Iterator[Probe]:
    """Start a probe; it ends with the block."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, order), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Probe(name, ours, process)
    finally:
        ours.close()
        process.join(STOP_S)
        if process.is_alive():
            process.kill()


def serve(connection: Connection, order: Order) -> None:
    """Load the model, then carry out slices until the other end closes."""
    # Libraries write to standard output, which is the command's result.
    os.dup2(2, 1)
    try:
        engine = order.loader.load(order.spec)
        connection.send(Ready(engine=engine.name, task=engine.task))
        with ThreadPoolExecutor(order.decode_threads) as threads:
            while True:
                asked: Slice = connection.recv()
                connection.send(_work(engine, asked, threads))
    except FramemeterError as error:
        connection.send(Failed(reason=str(error)))
    except (EOFError, KeyboardInterrupt):
        return


def _work(engine: Engine, asked: Slice, threads: ThreadPoolExecutor) -> float:
    engine.prepare(asked.height, asked.width)
    packed = jpegs(asked.height, asked.width)
    batch = [packed[index % len(packed)] for index in range(asked.batch)]
    frames, begun = 0, time.perf_counter()
    while not frames or time.perf_counter() - begun < asked.seconds:
        engine.infer(_unpack(engine, batch, asked, threads))
        frames += asked.batch
    return (time.perf_counter() - begun) / frames


def _unpack(
    engine: Engine, batch: list[bytes], asked: Slice, threads: ThreadPoolExecutor
) -> Batched:
    if engine.decoder is not None:
        return engine.decoder.decode(batch, asked.height, asked.width).pictures
    room = empty_batch(asked.batch, asked.height, asked.width)
    list(threads.map(decode_into, batch, room))
    return room


def jpegs(height: int, width: int) -> list[bytes]:
    """Return different pictures of a real camera at this size."""
    encode = partial(simplejpeg.encode_jpeg, quality=QUALITY, colorspace="BGR")
    return [
        encode(np.ascontiguousarray(cv2.resize(picture, (width, height))))
        for picture in _pictures(FOOTAGE)
    ]


def _pictures(video: Path) -> Iterator[Any]:
    with av.open(video) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % PICTURE_EVERY == 0:
                yield frame.to_ndarray(format="bgr24")
            if index >= PICTURE_EVERY * (PICTURES - 1):
                return
