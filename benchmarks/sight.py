"""What a read_committed reader sees of a deployment's detections while a benchmark runs."""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from benchmarks.ground import Ground
from cli.demo.tally import percentile
from consumers.subscribe import subscribe
from wire.detections import Detection
from wire.usage import Status


@dataclass(slots=True, kw_only=True)
class Seen:
    """Detections so far: how frames ended, and from capture to visible how long it took."""

    statuses: Counter[Status] = field(default_factory=Counter)
    of_stream: dict[str, Counter[Status]] = field(default_factory=lambda: defaultdict(Counter))
    versions: Counter[str] = field(default_factory=Counter)
    ages_ms: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    finished_ms: deque[float] = field(default_factory=deque)
    expired_ages_ms: deque[float] = field(default_factory=deque)
    moments_s: deque[float] = field(default_factory=deque)
    copies: int = 0
    objects: int = 0
    _ids: set[str] = field(default_factory=set)

    @property
    def frames(self) -> int:
        """How many different frames have ended."""
        return len(self._ids)

    @property
    def latencies_ms(self) -> deque[float]:
        """From capture to visible, of all detected frames."""
        return deque(age for ages in self.ages_ms.values() for age in ages)

    def add(self, detection: Detection, seen_at: datetime, moment_s: float = 0.0) -> None:
        """Count one detection; a second one of the same frame is only counted as a copy."""
        if detection.id in self._ids:
            self.copies += 1
            return
        self._ids.add(detection.id)
        self.statuses[detection.status] += 1
        self.of_stream[detection.stream][detection.status] += 1
        self.versions[detection.model_version] += 1
        self.moments_s.append(moment_s)
        self.objects += len(detection.objects)
        age_ms = (seen_at - detection.captured_at).total_seconds() * 1_000
        if detection.status is Status.DETECTED:
            self.ages_ms[detection.stream].append(age_ms)
            finished = detection.detected_at - detection.captured_at
            self.finished_ms.append(finished.total_seconds() * 1_000)
        elif detection.status is Status.EXPIRED:
            self.expired_ages_ms.append(age_ms)

    def latency_ms(self, share: float, streams: Collection[str] | None = None) -> float | None:
        """Return the latency below which this share (0..1) of the detected frames stayed.

        Of these streams, or of all.
        """
        if streams is None:
            return rounded(percentile(self.latencies_ms, share))
        ages = deque(age for stream in streams for age in self.ages_ms[stream])
        return rounded(percentile(ages, share))

    def detected_of(self, streams: Iterable[str]) -> int:
        """Return how many frames of these streams were detected."""
        return sum(self.of_stream[stream][Status.DETECTED] for stream in streams)

    def longest_gap_ms(self) -> float:
        """Return the longest time in which nothing became visible between two detections."""
        gaps = (later - earlier for earlier, later in pairwise(self.moments_s))
        return round(max(gaps, default=0.0) * 1_000, 1)


def rounded(value: float | None) -> float | None:
    """Return milliseconds to a tenth."""
    return None if value is None else round(value, 1)


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
            sight.seen.add(detection, target.clock.now(), time.monotonic())

    async with subscribe(target.kafka, target.topics) as detections:
        task = asyncio.create_task(look(detections))
        try:
            yield sight
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
