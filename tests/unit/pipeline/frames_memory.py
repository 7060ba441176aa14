"""A topic in memory: a `FramesPort` that records what is written and fails when told to."""

import asyncio
from collections.abc import Awaitable

from wire.errors import Retryable
from wire.frames import Frame


class MemoryFrames:
    """`lose` holds frame numbers whose send fails; a closed `gate` withholds every answer."""

    def __init__(self) -> None:
        self.written: list[Frame] = []
        self.lose: set[int] = set()
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.held = asyncio.Event()

    def ids(self) -> list[tuple[int, int]]:
        """Return (epoch, seq) of all that was written, in order."""
        return [(frame.epoch, frame.seq) for frame in self.written]

    async def ready(self) -> None:
        """Raise when away."""
        if self.away:
            raise Retryable("Kafka does not answer")

    async def enqueue(self, frame: Frame) -> Awaitable[None]:
        """Record the frame, or lose it."""
        await asyncio.sleep(0)
        if frame.seq in self.lose:
            self.lose.discard(frame.seq)
            raise Retryable("nobody knows")
        self.written.append(frame)
        return self._answer()

    async def _answer(self) -> None:
        if not self.gate.is_set():
            self.held.set()
        await self.gate.wait()
