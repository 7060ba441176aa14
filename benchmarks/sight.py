"""What a read_committed reader sees of a deployment's detections while a benchmark runs."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from benchmarks.ground import Ground
from cli.demo.tally import percentile
from consumers.subscribe import subscribe
from wire.detections import Detection
from wire.usage import Status


@dataclass(slots=True, kw_only=True)
class Seen:
    """Detections so far: how frames ended, and from capture to visible how long it took."""

    statuses: Counter[Status] = field(default_factory=Counter)
    latencies_ms: deque[float] = field(default_factory=deque)
    copies: int = 0
    _ids: set[str] = field(default_factory=set)

    @property
    def frames(self) -> int:
        """How many different frames have ended."""
        return len(self._ids)

    def add(self, detection: Detection, seen_at: datetime) -> None:
        """Count one detection; a second one of the same frame is only counted as a copy."""
        if detection.id in self._ids:
            self.copies += 1
            return
        self._ids.add(detection.id)
        self.statuses[detection.status] += 1
        if detection.status is Status.DETECTED:
            age = seen_at - detection.captured_at
            self.latencies_ms.append(age.total_seconds() * 1_000)

    def latency_ms(self, share: float) -> float | None:
        """Return the latency below which this share (0..1) of the detected frames stayed."""
        found = percentile(self.latencies_ms, share)
        return None if found is None else round(found, 1)


class Sight:
    """A reader's eye: `seen` is what it has seen since the last `blink`."""

    def __init__(self) -> None:
        self.seen = Seen()

    def blink(self) -> Seen:
        """Begin to count anew; return what was seen until now."""
        until_now, self.seen = self.seen, Seen()
        return until_now


@asynccontextmanager
async def watching(ground: Ground) -> AsyncIterator[Sight]:
    """Read what is committed from now on, in the background."""
    target, sight = ground.target, Sight()

    async def look(detections: AsyncIterator[Detection]) -> None:
        async for detection in detections:
            sight.seen.add(detection, target.clock.now())

    async with subscribe(target.kafka, target.topics) as detections:
        task = asyncio.create_task(look(detections))
        try:
            yield sight
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
