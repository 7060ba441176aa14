"""What a producer counts. For each stream, captured = published + dropped once it has stopped."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter


class Dropped(StrEnum):
    """Why a picture was not published."""

    SLOT = "slot"
    """A newer one came before this one could be taken."""
    STALE = "stale"
    """It was older than the stream's maximum age already."""
    FUNDING = "funding"
    """The account has no tokens for it."""
    REFUSED = "refused"
    """The gateway does not let this stream publish, for another reason."""
    AWAY = "away"
    """Kafka or the gateway is away."""
    DOUBT = "doubt"
    """It was sent, and nobody knows whether it arrived."""
    REBALANCE = "rebalance"
    """Producers were sharing out the streams anew."""
    STOPPED = "stopped"
    """The stream was stopped before its turn came."""
    UNFIT = "unfit"
    """It cannot be packed into one message."""
    STILL = "still"
    """Nothing moved since the last one that was published."""


class ProducerMetrics:
    """The counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.captured = Counter(
            "framemeter_producer_captured",
            "Pictures that sampling took from the source",
            ["stream"],
            registry=registry,
        )
        self.published = Counter(
            "framemeter_producer_published",
            "Frames that the broker has confirmed",
            ["stream"],
            registry=registry,
        )
        self.dropped = Counter(
            "framemeter_producer_dropped",
            "Pictures that were not published, by reason",
            ["stream", "reason"],
            registry=registry,
        )

    def drop(self, stream: str, reason: Dropped, count: int = 1) -> None:
        """Count dropped pictures."""
        if count:
            self.dropped.labels(stream, reason.value).inc(count)
