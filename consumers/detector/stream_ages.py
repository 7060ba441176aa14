"""How old frames were when they ended, by stream: a Prometheus histogram that forgets idle streams.

Streams come and go for years: a series for each would never end, and weigh ten times as much in
the client library's own histogram. Promises at most `most` streams by name, and the rest together;
one that had no frame for `IDLE_S` is forgotten at a scrape, after it was told once more, or when
its place is wanted. One that comes back begins at 0, which `rate()` takes for a restart.
"""

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from threading import Lock

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString

STREAMS_MAX = 1000
OTHER_STREAMS = "other"
IDLE_S = 600.0
SWEEP_EVERY_S = 10.0
BOUNDS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5, 10, 30, INF)
NAMES = [floatToGoString(bound) for bound in BOUNDS_S]  # type: ignore[no-untyped-call]


class _Ages:
    """The counts of one stream; `last` is when its last frame ended, in monotonic seconds."""

    __slots__ = ("counts", "last", "total_s")

    def __init__(self) -> None:
        self.counts = array("Q", bytes(8 * len(BOUNDS_S)))
        self.total_s = 0.0
        self.last = 0.0


class StreamAges(Collector):
    """Counts ages in the event loop; tells them to scrapes from another thread."""

    def __init__(
        self, name: str, *, most: int = STREAMS_MAX, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._most = most
        self._clock = clock
        self._streams: dict[str, _Ages] = {}
        self._other = _Ages()
        self._swept_at = 0.0
        self._lock = Lock()

    def observe(self, stream: str, seconds: float) -> None:
        """Count a frame of a stream that ended at this age."""
        with self._lock:
            now = self._clock()
            ages = self._of(stream, now)
            ages.counts[bisect_left(BOUNDS_S, seconds)] += 1
            ages.total_s += seconds
            ages.last = now

    def describe(self) -> Iterable[Metric]:
        """Name the metric."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """Tell the counts; forget the streams that were idle for long."""
        family = self._family()
        with self._lock:
            now = self._clock()
            for stream, ages in self._streams.items():
                _add(family, stream, ages)
            if self._other.last:
                _add(family, OTHER_STREAMS, self._other)
            self._sweep(now)
        yield family

    def _of(self, stream: str, now: float) -> _Ages:
        """Return what is known of a stream; of one for which there is no room, the common one."""
        known = self._streams.get(stream)
        if known is not None:
            return known
        if len(self._streams) >= self._most and now - self._swept_at >= SWEEP_EVERY_S:
            self._sweep(now)
        if len(self._streams) >= self._most:
            return self._other
        made = self._streams[stream] = _Ages()
        return made

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        idle = [name for name, ages in self._streams.items() if now - ages.last > IDLE_S]
        for name in idle:
            del self._streams[name]

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(
            self._name,
            "From a frame's capture until it was finished, by stream; its count is the rate",
            labels=["stream"],
        )


def _add(family: HistogramMetricFamily, stream: str, ages: _Ages) -> None:
    counts = accumulate(ages.counts)
    family.add_metric([stream], list(zip(NAMES, counts, strict=True)), ages.total_s)
