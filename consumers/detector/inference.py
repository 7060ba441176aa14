"""The stage between lanes: batches are taken, decoded, run through the engine, handed back.

`batches_ahead` workers do this side by side, so that the next batch is decoded while the
engine runs. Decoding and inference happen in threads: the loop, and with it Kafka's heartbeats,
never waits for a model. Every frame that comes in goes out exactly once, whatever happens.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from consumers.detector.batching import Batch, Batcher, Group, Queued
from consumers.detector.decode import Pictures, decode_into, empty_batch
from consumers.detector.engines.protocol import Engine, Objects
from consumers.detector.figures import Figures
from consumers.detector.metering import NO_VERSION, Origin, Outcome
from consumers.detector.models import Hopeless, Loaded, Models
from wire.clock import Clock
from wire.errors import Rejected
from wire.frames import Frame
from wire.usage import Status

SWEEP_S = 0.1
"""How often frames that wait for a model are looked at for their age."""
log = structlog.stdlib.get_logger("consumers.detector.inference")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """One frame of a lane, and whom to tell how it ended."""

    frame: Frame
    origin: Origin
    owner: object
    finish: Callable[[Outcome], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """Where blocking work is done."""

    decode: Executor
    engine: Executor


class Inference:
    """The waiting frames and the workers that empty the queue."""

    def __init__(
        self, *, batcher: Batcher[Work], threads: Threads, clock: Clock, figures: Figures
    ) -> None:
        self._batcher = batcher
        self._threads = threads
        self._clock = clock
        self._figures = figures
        self._news = asyncio.Event()
        self._lock = asyncio.Lock()
        self._running = 0
        self._busy_since = 0.0

    def put(self, work: Work) -> None:
        """Queue a frame; `work.finish` is called once, unless `drop` takes it out."""
        frame, now = work.frame, self._clock.monotonic()
        age_s = (self._clock.now() - frame.captured_at).total_seconds()
        self._batcher.put(
            Queued(
                group=Group(model=frame.model, height=frame.height, width=frame.width),
                tier=frame.tier,
                stream=frame.stream,
                queued_at=now,
                expires_at=now + frame.max_age_ms / 1000 - age_s,
                item=work,
            )
        )
        self._news.set()

    def drop(self, owner: object) -> None:
        """Forget the queued frames of a lane."""
        self._batcher.drop(lambda work: work.owner is owner)

    def wake(self) -> None:
        """Look again: a model has changed."""
        self._news.set()

    async def run(self, models: Models, *, workers: int) -> None:
        """Process batches until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(models))

    async def _work(self, models: Models) -> None:
        while True:
            async with self._lock:
                batch, loaded = await self._next(models)
            await self._process(batch, loaded)

    async def _next(self, models: Models) -> tuple[Batch[Work], Loaded]:
        """Wait for a batch of a model that is ready."""
        while True:
            self._news.clear()
            self._sort_out(models)
            batch = self._batcher.take(
                self._clock.monotonic(),
                ready=lambda group: isinstance(models.answer(group), Loaded),
            )
            if batch is None:
                await self._pause(models)
                continue
            self._expire(batch.expired)
            loaded = models.answer(batch.group)
            assert isinstance(loaded, Loaded)
            if batch.items:
                return batch, loaded

    def _sort_out(self, models: Models) -> None:
        """End the frames whose model cannot run, and those that waited too long for one."""
        waiting = False
        for group in self._batcher.groups():
            answer = models.answer(group)
            waiting |= not isinstance(answer, Loaded)
            if isinstance(answer, Hopeless):
                for work in self._batcher.drop_group(group):
                    self._end(work, Status.FAILED, reason=answer.reason)
        if waiting:
            self._expire(self._batcher.expire(self._clock.monotonic()))

    async def _pause(self, models: Models) -> None:
        """Wait for a frame, a model, or the time at which a batch is due."""
        due = self._batcher.due_at(ready=lambda group: isinstance(models.answer(group), Loaded))
        wait_s = None if due is None else max(due - self._clock.monotonic(), 0.0)
        if wait_s is None and len(self._batcher):
            wait_s = SWEEP_S
        try:
            await asyncio.wait_for(self._news.wait(), wait_s)
        except TimeoutError:
            return

    def _expire(self, works: Sequence[Work]) -> None:
        for work in works:
            self._end(work, Status.EXPIRED, reason=f"older than {work.frame.max_age_ms} ms")

    async def _process(self, batch: Batch[Work], loaded: Loaded) -> None:
        works, pictures = await self._decode(batch)
        if not works:
            return
        results = await self._infer(loaded.engine, pictures)
        version, at = loaded.spec.version, self._clock.now()
        for work, result in zip(works, results, strict=True):
            if isinstance(result, str):
                self._end(work, Status.FAILED, reason=result, version=version)
            else:
                work.finish(
                    Outcome(
                        identity=work.frame,
                        status=Status.DETECTED,
                        at=at,
                        objects=result,
                        version=version,
                    )
                )

    async def _decode(self, batch: Batch[Work]) -> tuple[list[Work], Pictures]:
        """Return the frames whose pictures are good, and the pictures; end the others."""
        loop = asyncio.get_running_loop()
        room = empty_batch(len(batch.items), batch.group.height, batch.group.width)
        answers = await asyncio.gather(
            *(
                loop.run_in_executor(self._threads.decode, decode_into, work.frame.picture, place)
                for work, place in zip(batch.items, room, strict=True)
            ),
            return_exceptions=True,
        )
        good: list[int] = []
        for index, (work, error) in enumerate(zip(batch.items, answers, strict=True)):
            if error is None:
                good.append(index)
            elif isinstance(error, Rejected):
                self._end(work, Status.REJECTED, reason=str(error), dead=work.origin)
            else:
                raise error
        whole = len(good) == len(batch.items)
        return [batch.items[index] for index in good], room if whole else room[good]

    async def _infer(self, engine: Engine, pictures: Pictures) -> list[Objects | str]:
        """Return each picture's objects, or the reason why it has none."""
        try:
            return list(await self._run(engine, pictures))
        except Exception as error:  # noqa: BLE001  (counted below: engines raise anything)
            if len(pictures) == 1:
                return [f"the engine failed: {error}"]
            log.warning("the engine failed on a batch", size=len(pictures), reason=str(error))
        results: list[Objects | str] = []
        for index in range(len(pictures)):
            results += await self._infer(engine, pictures[index : index + 1])
        return results

    async def _run(self, engine: Engine, pictures: Pictures) -> list[Objects]:
        loop = asyncio.get_running_loop()
        with self._busy():
            objects = await loop.run_in_executor(self._threads.engine, engine.infer, pictures)
        if len(objects) != len(pictures):
            raise ValueError(f"{len(objects)} answers for {len(pictures)} pictures")
        self._figures.batches.inc()
        self._figures.images.inc(len(pictures))
        return objects

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Count the time in which the engine has at least one batch."""
        if self._running == 0:
            self._busy_since = self._clock.monotonic()
        self._running += 1
        try:
            yield
        finally:
            now = self._clock.monotonic()
            self._figures.engine_seconds.inc(now - self._busy_since)
            self._running, self._busy_since = self._running - 1, now

    def _end(
        self,
        work: Work,
        status: Status,
        *,
        reason: str,
        version: str = NO_VERSION,
        dead: Origin | None = None,
    ) -> None:
        """End a frame that was not detected."""
        work.finish(
            Outcome(
                identity=work.frame,
                status=status,
                at=self._clock.now(),
                reason=reason,
                dead=dead,
                version=version,
            )
        )
