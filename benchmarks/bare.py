"""The bare engine: the product's own engine in a loop, with nothing around it.

What a detector is compared with: pictures decoded beforehand, full batches, one after another, in
a process that does nothing else. Decoding alone is measured beside it, with a detector's threads.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path

from cli.demo.plan import park_model
from consumers.detector.decode import Pictures, decode_into, empty_batch
from consumers.detector.engines.choose import EngineLoader
from consumers.detector.engines.protocol import Engine
from consumers.detector.settings import DetectorSettings
from samples.catalog import PARK_MODEL

DECODE_SHARE = 0.25
"""How much of the time goes to decoding alone."""
WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """What the machine can do without framemeter around the engine."""

    engine: str
    batch_size: int
    images_per_second: float
    decoded_per_second: float


async def measure_bare(packed: Sequence[bytes], *, seconds: float) -> Bare:
    """Measure in a process of its own, which has the engine's libraries to itself."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, _measure, packed, seconds)


def _measure(packed: Sequence[bytes], seconds: float) -> Bare:
    settings = DetectorSettings()
    size = settings.batch_size_max
    engine = _engine(settings)
    engine.prepare(PARK_MODEL.height, PARK_MODEL.width)
    with ThreadPoolExecutor(settings.decode_threads) as threads:
        pictures = _decode_all(packed, threads)
        decoded = per_second(
            lambda: len(_decode_all(packed, threads)), seconds=seconds * DECODE_SHARE
        )
    batches = cycle(full_batches(pictures, size))
    per_second(lambda: len(engine.infer(next(batches))), seconds=WARM_UP_S)
    return Bare(
        engine=engine.name,
        batch_size=size,
        images_per_second=per_second(lambda: len(engine.infer(next(batches))), seconds=seconds),
        decoded_per_second=decoded,
    )


def _engine(settings: DetectorSettings) -> Engine:
    loader = EngineLoader(
        kind=settings.engine,
        threads=settings.engine_threads,
        models_folder=Path(),
        cache_folder=settings.models_cache,
    )
    loader.check()
    return loader.load(park_model())


def _decode_all(packed: Sequence[bytes], threads: ThreadPoolExecutor) -> Pictures:
    room = empty_batch(len(packed), PARK_MODEL.height, PARK_MODEL.width)
    for _ in threads.map(decode_into, packed, room):
        pass
    return room


def full_batches(pictures: Pictures, size: int) -> Iterator[Pictures]:
    """Yield the pictures in batches of `size`; a rest that would not fill one is left out."""
    assert len(pictures) >= size, "fewer pictures than one batch holds"
    for first in range(0, len(pictures) - size + 1, size):
        yield pictures[first : first + size]


def per_second(work: Callable[[], int], *, seconds: float) -> float:
    """Repeat `work`, which says how many things it did, for some time; return things a second."""
    done, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds or not done:
        done += work()
    return done / passed if passed else float(done)
