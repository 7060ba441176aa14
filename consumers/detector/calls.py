"""Calls of the engine: as many at a time as there are threads, watched, timed, repeated when bad.

Promises an answer for every picture. A call that raises, runs out of memory or answers for too few
pictures is repeated in halves, then one by one, in the same thread: only the picture at fault
has no objects, but the reason.
"""

import asyncio
import threading
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from consumers.detector.engines.protocol import Batched, Engine, Objects
from consumers.detector.figures import Figures
from consumers.detector.watchdog import Watchdog
from wire.clock import Clock

log = structlog.stdlib.get_logger("consumers.detector.calls")

Answer = Objects | str
"""A picture's objects, or why it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a batch gave, and what it cost: None when its call had to be repeated.

    `seconds` is the time for which it alone delayed what comes after it: from the end of the batch
    before, when that was still in the engine, else from its own begin.
    """

    answers: tuple[Answer, ...]
    seconds: float | None


class EngineCalls:
    """The threads in which engines run."""

    def __init__(
        self, *, executor: Executor, watchdog: Watchdog, clock: Clock, figures: Figures
    ) -> None:
        self._executor = executor
        self._watchdog = watchdog
        self._clock = clock
        self._figures = figures
        self._counting = threading.Lock()
        self._running = 0
        self._busy_since = 0.0
        self._ended_at = 0.0

    async def infer(self, engine: Engine, pictures: Batched) -> Answers:
        """Return an answer for each picture; the pictures wait here for a free thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._infer, engine, pictures)

    def _infer(self, engine: Engine, pictures: Batched) -> Answers:
        begun = self._clock.monotonic()
        self._begin(begun)
        try:
            parts = self._halving(engine, pictures)
        finally:
            now = self._clock.monotonic()
            alone_s = self._end(begun, now)
        self._figures.engine_batch_seconds.observe(now - begun)
        return Answers(
            answers=tuple(answer for part in parts for answer in part),
            seconds=alone_s if len(parts) == 1 else None,
        )

    def _halving(self, engine: Engine, pictures: Batched) -> list[list[Answer]]:
        """Return the answers of each part that went through the engine as one."""
        try:
            return [[*self._call(engine, pictures)]]
        except Exception as error:  # noqa: BLE001  (counted: engines raise anything)
            self._figures.engine_failures.inc()
            if len(pictures) == 1:
                return [[f"the engine failed: {error}"]]
            log.warning("the engine failed on a batch", size=len(pictures), reason=str(error))
        middle = len(pictures) // 2  # outside the handler: the error holds what the engine held
        first = self._halving(engine, pictures[:middle])
        return first + self._halving(engine, pictures[middle:])

    def _call(self, engine: Engine, pictures: Batched) -> list[Objects]:
        with self._watchdog.watching(engine.name):
            objects = engine.infer(pictures)
        if len(objects) != len(pictures):
            raise ValueError(f"{len(objects)} answers for {len(pictures)} pictures")
        self._figures.batches.inc()
        self._figures.images.inc(len(pictures))
        return objects

    def _begin(self, now: float) -> None:
        with self._counting:
            if self._running == 0:
                self._busy_since = now
            self._running += 1

    def _end(self, begun: float, now: float) -> float:
        """Count the time with at least one batch in an engine; return that of this one alone."""
        with self._counting:
            self._figures.engine_seconds.inc(max(now - self._busy_since, 0.0))
            alone_s = now - max(begun, self._ended_at)
            self._running -= 1
            self._busy_since = self._ended_at = now
        return max(alone_s, 0.0)
