"""Publishes frames when they are due, whatever happens to those before: an open-loop load.

A frame's `captured_at` is the moment at which it is handed to the publisher. How late that was is
measured as well: a generator that cannot keep up offers less than it says.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice

from benchmarks.ground import Ground
from benchmarks.pictures import Reel
from benchmarks.schedule import Due
from cli.demo.tally import percentile
from pipeline.ports import FramesPort
from pipeline.publish import FramePublisher
from wire.clock import Clock

IN_FLIGHT_MAX = 256


@dataclass(slots=True, kw_only=True)
class Offered:
    """What was offered: how many frames, how late each was, and when the broker had it."""

    frames: int = 0
    lags_ms: deque[float] = field(default_factory=deque)
    acked_ms: deque[float] = field(default_factory=deque)

    def add(self, *, lag_s: float) -> None:
        """Count one frame that was published so many seconds after it was due."""
        self.frames += 1
        self.lags_ms.append(max(0.0, lag_s) * 1_000)

    def lag_ms(self, share: float) -> float:
        """Return the lateness below which this share (0..1) of the frames stayed."""
        return round(percentile(self.lags_ms, share) or 0.0, 1)


class Generator:
    """Takes frames from a reel and publishes them, those of a stream in order."""

    def __init__(self, reel: Reel, publisher: FramesPort, clock: Clock) -> None:
        self._reel = reel
        self._publisher = publisher
        self._clock = clock

    async def play(self, dues: Iterable[Due], *, max_age_ms: int) -> Offered:
        """Publish each frame when it is due; return once the broker has confirmed all."""
        offered, started = Offered(), self._clock.monotonic()
        async with asyncio.TaskGroup() as answers:
            for due in dues:
                await asyncio.sleep(max(0.0, started + due.at_s - self._clock.monotonic()))
                offered.add(lag_s=self._clock.monotonic() - started - due.at_s)
                handed_at = self._clock.monotonic()
                answer = await self._publish(due.stream, max_age_ms)
                answers.create_task(self._acked(answer, handed_at, offered))
        return offered

    async def _acked(self, answer: Awaitable[None], handed_at: float, offered: Offered) -> None:
        await answer
        offered.acked_ms.append((self._clock.monotonic() - handed_at) * 1_000)

    async def fill(self, streams: Sequence[str], frames: int, *, max_age_ms: int) -> None:
        """Publish so many frames as fast as the broker takes them, the streams in turn."""
        room = asyncio.Semaphore(IN_FLIGHT_MAX)
        async with asyncio.TaskGroup() as answers:
            for stream in islice(cycle(streams), frames):
                await room.acquire()
                task = answers.create_task(_confirmed(await self._publish(stream, max_age_ms)))
                task.add_done_callback(lambda _: room.release())

    async def _publish(self, stream: str, max_age_ms: int) -> Awaitable[None]:
        now = self._clock.now()
        frame = self._reel.take(stream, captured_at=now, max_age_ms=max_age_ms)
        return await self._publisher.enqueue(frame)


async def _confirmed(answer: Awaitable[None]) -> None:
    await answer


@asynccontextmanager
async def generating(ground: Ground, reel: Reel) -> AsyncIterator[Generator]:
    """Give a generator on the ground's frames topic, ready to publish."""
    target = ground.target
    publisher = FramePublisher(target.kafka, target.topics)
    await publisher.ready()
    try:
        yield Generator(reel, publisher, target.clock)
    finally:
        await publisher.stop()
