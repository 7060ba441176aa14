"""The stage between lanes: batches are taken, decoded, run through the engine, handed back.

`batches_ahead` workers do this side by side, so that the next batch is decoded while the engine
runs; how many calls of the engine run at a time is for `calls.py` to say. The loop, and with it
Kafka's heartbeats, never waits for a model. Every frame that comes in goes out exactly once,
whatever happens; a sliced one when its last tile is back or its first one has failed.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from consumers.detector.batching import Batch, Batcher, Group, Queued
from consumers.detector.calls import Answer, EngineCalls
from consumers.detector.endings import Endings
from consumers.detector.figures import Figures
from consumers.detector.loading import Hopeless, Loaded
from consumers.detector.metering import Outcome
from consumers.detector.models import Models
from consumers.detector.pieces import Piece, Sheet, Work
from consumers.detector.recalling import Ended, Recalling
from consumers.detector.results import Recall, Results
from consumers.detector.unpacking import Unpacking
from wire.clock import Clock
from wire.process import event_or_timeout
from wire.usage import Status

SWEEP_S = 0.1
"""How often what waits is looked at for its age."""
COST_PIXELS = 640 * 640
"""A picture of so many pixels is one unit of work."""
NO_ROOM = "no room before its maximum age"
NOTHING_KNOWN = Recall()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stations:
    """What a batch passes through; `results` is None where no results are kept."""

    unpacking: Unpacking
    calls: EngineCalls
    results: Results | None = None


class Inference:
    """The waiting frames and the workers that empty the queue."""

    def __init__(
        self,
        *,
        batcher: Batcher[Piece],
        models: Models,
        stations: Stations,
        clock: Clock,
        figures: Figures,
        news: asyncio.Event,
    ) -> None:
        """`news` is set by whoever changes what a group's answer is."""
        self._batcher = batcher
        self._models = models
        self._unpacking = stations.unpacking
        self._calls = stations.calls
        self._endings = Endings(batcher=batcher, models=models, clock=clock, figures=figures)
        results = stations.results
        self._recalling = None if results is None else Recalling(results, self._endings)
        self._clock = clock
        self._figures = figures
        self._news = news
        self._lock = asyncio.Lock()
        self._workers = 0
        self._at_work = 0

    def put(self, work: Work) -> None:
        """Queue a frame; `work.finish` is called once, unless `drop` takes it out."""
        now = self._clock.monotonic()
        slices = work.frame.slices
        if slices is None:
            self._queue(Piece(work=work, queued_at=now))
        else:
            sheet = Sheet(work.frame, slices)
            for index in range(slices.tiles):
                self._queue(Piece(work=work, queued_at=now, sheet=sheet, index=index))
        self._news.set()

    def drop(self, owner: object) -> None:
        """Forget the queued frames of a lane."""
        self._batcher.drop(lambda piece: piece.work.owner is owner)

    async def run(self, *, workers: int) -> None:
        """Process batches until cancelled."""
        self._workers = workers
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work())
            group.create_task(self._sweep())

    def _queue(self, piece: Piece) -> None:
        frame = piece.work.frame
        age_s = (self._clock.now() - frame.captured_at).total_seconds()
        self._batcher.put(
            Queued(
                group=Group(
                    model=frame.model,
                    height=frame.height,
                    width=frame.width,
                    canary=self._models.is_canary(frame.model, frame.stream),
                ),
                tier=frame.tier,
                stream=frame.stream,
                queued_at=piece.queued_at,
                expires_at=self._clock.monotonic() + frame.max_age_ms / 1000 - age_s,
                cost=frame.height * frame.width / COST_PIXELS,
                whole=piece.sheet,
                item=piece,
            )
        )

    async def _work(self) -> None:
        while True:
            async with self._lock:
                batch, loaded = await self._next()
            self._at_work += 1
            try:
                await self._process(batch, loaded)
            finally:
                self._at_work -= 1
                self._news.set()  # who waits is not the last one any more

    async def _next(self) -> tuple[Batch[Piece], Loaded]:
        """Wait for a batch of a model that is ready."""
        while True:
            self._news.clear()
            self._end_hopeless()
            now = self._clock.monotonic()
            self._shed(now)
            batch = self._batcher.take(now, ready=self._is_ready, last=self._is_last)
            if batch is None:
                await self._pause()
                continue
            self._expire(batch.expired)
            loaded = self._models.answer(batch.group)
            assert isinstance(loaded, Loaded)
            if batch.items:
                waits_s = [now - piece.queued_at for piece in batch.items]
                self._figures.taken(waits_s, left=len(self._batcher))
                return batch, loaded

    @property
    def _is_last(self) -> bool:
        """Whether all workers but one are busy; a single one is kept for nobody."""
        return 1 < self._workers == self._at_work + 1

    def _is_ready(self, group: Group) -> bool:
        return isinstance(self._models.answer(group), Loaded)

    def _end_hopeless(self) -> None:
        """End the frames whose model cannot run."""
        for group in self._batcher.groups():
            answer = self._models.answer(group)
            if isinstance(answer, Hopeless):
                for piece in self._batcher.drop_group(group):
                    self._endings.lost(piece, Status.FAILED, reason=answer.reason)

    async def _pause(self) -> None:
        """Wait for a frame, a model, or the time at which a batch is due."""
        due = self._batcher.due_at(ready=self._is_ready, last=self._is_last)
        wait_s = None if due is None else max(due - self._clock.monotonic(), 0.0)
        if wait_s is None and len(self._batcher):
            wait_s = SWEEP_S
        await event_or_timeout(self._news, wait_s)

    async def _sweep(self) -> None:
        """Give up in time what waits in vain, while all workers are busy too."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self._figures.queue_depth.set(len(self._batcher))
            if len(self._batcher):
                now = self._clock.monotonic()
                self._expire(self._batcher.expire(now))
                self._shed(now)

    def _shed(self, now: float) -> None:
        for piece in self._batcher.shed(now):
            if self._endings.lost(piece, Status.EXPIRED, reason=NO_ROOM) is not None:
                self._figures.shed.inc()

    def _expire(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            max_age_ms = piece.work.frame.max_age_ms
            self._endings.lost(piece, Status.EXPIRED, reason=f"older than {max_age_ms} ms")

    async def _process(self, batch: Batch[Piece], loaded: Loaded) -> None:
        """Bring every frame of the batch to its end, or its tiles a step nearer to it."""
        recalling = self._recalling
        pieces: Sequence[Piece] = batch.items
        recall = NOTHING_KNOWN
        if recalling is not None:
            recall = await recalling.before(batch.items, loaded)
            pieces = [piece for piece in pieces if recall.needs_engine(piece.work)]
        pieces = [piece for piece in pieces if not piece.is_over]
        if not pieces:
            return
        ended = await self._compute(pieces, batch.group, loaded)
        if recalling is not None:
            recalling.after(ended, recall, loaded)

    async def _compute(self, pieces: Sequence[Piece], group: Group, loaded: Loaded) -> Ended:
        """Decode and infer; return the frames that have ended by it."""
        unpacked = await self._unpacking.unpack(pieces, group, loaded.engine)
        ended: Ended = []
        for piece, reason in unpacked.bad:
            outcome = self._endings.lost(piece, Status.REJECTED, reason=reason)
            if outcome is not None:
                ended.append((piece, outcome))
        if not unpacked.good:
            return ended
        done = await self._calls.infer(loaded.engine, unpacked.pictures)
        if done.seconds is not None:
            self._batcher.observe(group, size=len(unpacked.good), seconds=done.seconds)
        for piece, answer in zip(unpacked.good, done.answers, strict=True):
            outcome = await self._answer(piece, answer, loaded)
            if outcome is not None:
                ended.append((piece, outcome))
        return ended

    async def _answer(self, piece: Piece, answer: Answer, loaded: Loaded) -> Outcome | None:
        """End the frame of this picture; None when it is over or has tiles to wait for."""
        sheet, version = piece.sheet, loaded.spec.version
        if isinstance(answer, str):
            return self._endings.lost(piece, Status.FAILED, reason=answer, version=version)
        if sheet is None:
            return self._endings.found(piece, answer, loaded)
        if sheet.over:
            return None
        for index in sheet.add(piece.index, answer, version=version):
            self._queue(replace(piece, index=index, queued_at=self._clock.monotonic()))
            self._news.set()
        if not sheet.is_complete:
            return None
        objects = await self._unpacking.in_thread(sheet.merged, loaded.spec.iou)
        return self._endings.found(piece, objects, loaded)
