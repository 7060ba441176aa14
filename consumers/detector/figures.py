"""The detector's Prometheus metrics, and those of its process and its GPU.

Promises a bounded number of series (`stream_ages.py`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from consumers.detector.gpu import GpuCollector
from consumers.detector.metering import Outcome
from consumers.detector.stream_ages import StreamAges
from wire.frames import Frame

PREFIX = "framemeter_detector_"
SHORT_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Figures:
    """What one detector counts; registered on the registry that it is given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        registry.register(GpuCollector())
        self._count_frames()
        self._count_engine()
        self._count_queue()
        self._count_lanes()
        self._count_results()

    def _count_frames(self) -> None:
        self.frames = self._counter("frames", "Frames committed, by how they ended", "status")
        self.deadletters = self._counter("deadletters", "Messages copied to deadletter")
        self.copies = self._counter("copies", "Second copies of a frame that were passed over")
        self.stream_seconds = StreamAges(PREFIX + "stream_seconds")
        self.registry.register(self.stream_seconds)

    def _count_engine(self) -> None:
        self.images = self._counter("images", "Pictures that went through the engine")
        self.batches = self._counter("batches", "Batches that went through the engine")
        self.engine_seconds = self._counter("engine_seconds", "Time in which the engine was busy")
        self.engine_batch_seconds = self._histogram(
            "engine_batch_seconds", "Time of one batch in the engine, postprocessing included"
        )
        self.engine_failures = self._counter(
            "engine_failures", "Calls on which the engine failed; they are repeated in halves"
        )
        self.engine = Gauge(
            PREFIX + "engine_info",
            "1 for each model in use, with its engine",
            ["engine", "model", "version"],
            registry=self.registry,
        )
        self.model_failures = self._counter(
            "model_failures", "Versions that did not load or pass their test", "model", "version"
        )

    def _count_queue(self) -> None:
        self.batch_size = self._histogram("batch_size", "Pictures in a batch", BATCH_SIZES)
        self.batch_wait_seconds = self._histogram(
            "batch_wait_seconds", "Time from a frame's coming until its batch was taken"
        )
        self.queue_depth = Gauge(
            PREFIX + "queue_depth", "Pictures that wait for a batch", registry=self.registry
        )
        self.queue_age_seconds = Gauge(
            PREFIX + "queue_age_seconds",
            "How long the picture that waited longest had waited when the last batch was taken",
            registry=self.registry,
        )
        self.shed = self._counter(
            "shed", "Frames given up because there was no room before their maximum age"
        )
        self.decode_seconds = self._histogram("decode_seconds", "Time to decode one batch")

    def _count_lanes(self) -> None:
        self.transactions = self._counter("transactions", "Transactions committed")
        self.rebuilds = self._counter("lane_rebuilds", "Lanes opened anew after a failure")
        self.hold_seconds = self._histogram(
            "hold_seconds", "Time from a frame's end until its transaction begins"
        )
        self.commit_seconds = self._histogram("commit_seconds", "Time from begin to committed")

    def _count_results(self) -> None:
        self.cache_hits = self._counter("cache_hits", "Frames answered with a result found before")
        self.cache_misses = self._counter("cache_misses", "Frames asked for and not found")

    def held(self, outcomes: Iterable[Outcome], *, now: datetime) -> None:
        """Count how long the frames of a transaction that begins have waited since they ended."""
        for outcome in outcomes:
            self.hold_seconds.observe((now - outcome.at).total_seconds())

    def committed(self, outcomes: Iterable[Outcome], *, seconds: float) -> None:
        """Count one transaction that took `seconds`."""
        self.transactions.inc()
        self.commit_seconds.observe(seconds)
        for outcome in outcomes:
            self.deadletters.inc(outcome.dead is not None)
            if outcome.identity is not None:
                self.frames.labels(outcome.status.value).inc()

    def finished(self, frame: Frame, outcome: Outcome) -> None:
        """Count how long a frame took from its capture, whatever became of it."""
        age_s = (outcome.at - frame.captured_at).total_seconds()
        self.stream_seconds.observe(frame.stream, max(age_s, 0.0))

    def taken(self, waits_s: Sequence[float], *, left: int) -> None:
        """Count a batch whose pictures waited so long, with `left` more still waiting."""
        self.batch_size.observe(len(waits_s))
        for wait_s in waits_s:
            self.batch_wait_seconds.observe(wait_s)
        self.queue_age_seconds.set(max(waits_s, default=0.0) if left else 0.0)
        self.queue_depth.set(left)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float] = SHORT_S) -> Histogram:
        return Histogram(PREFIX + name, text, buckets=buckets, registry=self.registry)
