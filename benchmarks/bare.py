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

from benchmarks.ground import Choice
from benchmarks.subject import Subject
from consumers.detector.decode import Pictures, decode_into, empty_batch
from consumers.detector.engines.choose import EngineLoader
from consumers.detector.engines.protocol import Batched, Engine
from consumers.detector.settings import DetectorSettings

DECODE_SHARE = 0.25
"""How much of the time goes to decoding alone."""
WARM_UP_S = 0.5
TRIAL_SHARE = 0.15
"""How long one and several callers are tried before the better is measured."""
ROUNDS_AT_ONCE = 4
"""Batches given to each caller at a time, so that their common end hardly matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """What the machine can do without framemeter around the engine."""

    engine: str
    batch_size: int
    callers: int
    images_per_second: float
    decoded_per_second: float


async def measure_bare(subject: Subject, choice: Choice, folder: Path, *, seconds: float) -> Bare:
    """Measure in a process of its own, which has the engine's libraries to itself.

    Converted models are kept in `folder`, as the detectors of the same site do.
    """
    settings = settings_of(choice, folder)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, _measure, subject, settings, seconds)


def settings_of(choice: Choice, folder: Path) -> DetectorSettings:
    """Return what a detector of the site is told."""
    told = {"engine": choice.engine, "models_cache": folder / "models"}
    more = {"batch_size_max": choice.batch_size} if choice.batch_size else {}
    return DetectorSettings.model_validate(told | more)


def _measure(subject: Subject, settings: DetectorSettings, seconds: float) -> Bare:
    size = settings.batch_size_max
    engine = load(subject, settings)
    with ThreadPoolExecutor(settings.decode_threads) as threads:
        pictures = decode_all(subject, threads)
        decoded = per_second(
            lambda: len(decode_all(subject, threads)), seconds=seconds * DECODE_SHARE
        )
    batches = _on_device(engine, subject, size) or list(full_batches(pictures, size))
    speeds = {
        callers: _speed(engine, batches, callers, max(WARM_UP_S, seconds * TRIAL_SHARE))
        for callers in sorted({1, settings.batches_ahead})
    }
    callers = max(speeds, key=lambda number: speeds[number])
    return Bare(
        engine=engine.name,
        batch_size=size,
        callers=callers,
        images_per_second=_speed(engine, batches, callers, seconds),
        decoded_per_second=decoded,
    )


def load(subject: Subject, settings: DetectorSettings) -> Engine:
    """Return the model's engine, prepared for its size, as a detector would load it."""
    loader = EngineLoader(
        kind=settings.engine,
        threads=settings.engine_threads,
        models_folder=Path(),
        cache_folder=settings.models_cache,
    )
    loader.check()
    engine = loader.load(subject.spec)
    engine.prepare(subject.height, subject.width)
    return engine


def decode_all(subject: Subject, threads: ThreadPoolExecutor) -> Pictures:
    """Return all pictures of the subject, decoded."""
    room = empty_batch(len(subject.packed), subject.height, subject.width)
    for _ in threads.map(decode_into, subject.packed, room):
        pass
    return room


def _on_device(engine: Engine, subject: Subject, size: int) -> list[Batched]:
    """Return full batches where the engine decodes by itself, else none."""
    if engine.decoder is None:
        return []
    firsts = range(0, len(subject.packed) - size + 1, size)
    return [
        engine.decoder.decode(
            subject.packed[first : first + size], subject.height, subject.width
        ).pictures
        for first in firsts
    ]


def _speed(engine: Engine, batches: Sequence[Batched], callers: int, seconds: float) -> float:
    """Return images a second with so many threads that each give the engine batch after batch.

    An engine may hide one batch's copying behind another's forward pass; the yardstick is the
    best that it can do by itself.
    """
    turns = cycle(batches)
    with ThreadPoolExecutor(callers) as threads:

        def one_each() -> int:
            given = [next(turns) for _ in range(ROUNDS_AT_ONCE * callers)]
            return sum(len(found) for found in threads.map(engine.infer, given))

        return per_second(one_each, seconds=seconds)


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
