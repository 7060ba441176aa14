"""What a producer counts. For each stream, captured = published + dropped once it has stopped.

Promises a bounded number of series: of the streams that ended, the newest `ENDED_MAX` are told.
"""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter

ENDED_MAX = 200


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

        self._ended: dict[str, None] = {}

    def began(self, stream: str) -> None:
        """Keep a stream's counters for as long as it runs."""
        self._ended.pop(stream, None)

    def ended(self, stream: str) -> None:
        """Keep a stream's counters until many others have ended after it."""
        self._ended.pop(stream, None)
        self._ended[stream] = None
        if len(self._ended) > ENDED_MAX:
            self._forget(next(iter(self._ended)))

    def _forget(self, stream: str) -> None:
        del self._ended[stream]
        for counter in (self.captured, self.published, self.dropped):
            counter.remove_by_labels({"stream": stream})

    def drop(self, stream: str, reason: Dropped, count: int = 1) -> None:
        """Count dropped pictures."""
        if count:
            self.dropped.labels(stream, reason.value).inc(count)
