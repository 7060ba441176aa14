"""Counters of streams that have ended do not add up for ever."""

from prometheus_client import CollectorRegistry

from pipeline.metrics import ENDED_MAX, Dropped, ProducerMetrics


def test_of_the_streams_that_have_ended_the_newest_are_told() -> None:
    registry = CollectorRegistry()
    metrics = ProducerMetrics(registry)

    def told(stream: str) -> list[float | None]:
        read = registry.get_sample_value
        return [
            read("framemeter_producer_captured_total", {"stream": stream}),
            read("framemeter_producer_published_total", {"stream": stream}),
            read("framemeter_producer_dropped_total", {"stream": stream, "reason": "slot"}),
        ]

    for number in range(ENDED_MAX + 2):
        stream = f"s{number}"
        metrics.began(stream)
        metrics.captured.labels(stream).inc(3)
        metrics.published.labels(stream).inc(2)
        metrics.drop(stream, Dropped.SLOT)
        metrics.ended(stream)
        if number == 1:
            metrics.began(stream)
    assert told("s0") == [None, None, None]
    assert told("s1") == [3, 2, 1], "it runs again"
    assert told("s2") == [3, 2, 1]
    metrics.ended("never captured anything")
    assert told("s2") == [None, None, None]
