"""The detector's Prometheus metrics."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from consumers.detector.metering import Outcome


class Figures:
    """What one detector counts; registered on the registry that it is given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.frames = Counter(
            "framemeter_detector_frames",
            "Frames committed, by how they ended",
            ["status"],
            registry=registry,
        )
        self.images = Counter(
            "framemeter_detector_images", "Pictures that went through the engine", registry=registry
        )
        self.batches = Counter(
            "framemeter_detector_batches", "Batches that went through the engine", registry=registry
        )
        self.engine_seconds = Counter(
            "framemeter_detector_engine_seconds", "Time in the engine", registry=registry
        )
        self.engine = Gauge(
            "framemeter_detector_engine_info",
            "1 for each model in use, with its engine",
            ["engine", "model", "version"],
            registry=registry,
        )
        self.deadletters = Counter(
            "framemeter_detector_deadletters", "Messages copied to deadletter", registry=registry
        )
        self.copies = Counter(
            "framemeter_detector_copies",
            "Second copies of a frame that were passed over",
            registry=registry,
        )
        self.transactions = Counter(
            "framemeter_detector_transactions", "Transactions committed", registry=registry
        )
        self.rebuilds = Counter(
            "framemeter_detector_lane_rebuilds",
            "Lanes opened anew after a failure",
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "framemeter_detector_commit_seconds",
            "Time from begin to committed",
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
            registry=registry,
        )

    def committed(self, outcomes: Iterable[Outcome], *, seconds: float) -> None:
        """Count one transaction that took `seconds`."""
        self.transactions.inc()
        self.commit_seconds.observe(seconds)
        for outcome in outcomes:
            self.deadletters.inc(outcome.dead is not None)
            if outcome.identity is not None:
                self.frames.labels(outcome.status.value).inc()
