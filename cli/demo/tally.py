"""What a watcher of detections saw, stream by stream: rates, latencies, objects.

Pure: the time at which a detection was seen is passed in. Latency runs from the capture of the
picture to the moment a read_committed reader has its detection.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from wire.detections import Detection
from wire.usage import Status

RATE_WINDOW_S = 5.0
LATENCIES_MAX = 100_000


@dataclass(slots=True, kw_only=True)
class StreamTally:
    """One stream's figures so far."""

    detected: int = 0
    objects: int = 0
    objects_now: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_MAX))
    arrivals: deque[datetime] = field(default_factory=lambda: deque(maxlen=2_000))

    def add(self, detection: Detection, seen_at: datetime) -> None:
        """Count one detection."""
        if detection.status is not Status.DETECTED:
            return
        self.detected += 1
        self.objects += len(detection.objects)
        self.objects_now = len(detection.objects)
        self.latencies_ms.append((seen_at - detection.captured_at).total_seconds() * 1_000)
        self.arrivals.append(seen_at)

    def fps(self, now: datetime) -> float:
        """Return detections a second over the last few seconds."""
        while self.arrivals and (now - self.arrivals[0]).total_seconds() > RATE_WINDOW_S:
            self.arrivals.popleft()
        return len(self.arrivals) / RATE_WINDOW_S

    def latency_ms(self, *shares: float) -> list[float | None]:
        """Return the latency below which each share (0..1) of the detections stayed."""
        return [percentile(self.latencies_ms, share) for share in shares]


class Tally:
    """The figures of all streams, and when the first detection was seen."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.streams = {name: StreamTally() for name in names}
        self.first_seen_at: datetime | None = None

    def add(self, detection: Detection, seen_at: datetime) -> None:
        """Count one detection of a known stream."""
        stream = self.streams.get(detection.stream)
        if stream is None:
            return
        stream.add(detection, seen_at)
        if self.first_seen_at is None and detection.status is Status.DETECTED:
            self.first_seen_at = seen_at


def percentile(values: deque[float], share: float) -> float | None:
    """Return the nearest-rank percentile of `values`; None when there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
