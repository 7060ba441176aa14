"""Ages by stream: a histogram as the client library makes it, of streams that were seen lately."""

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from consumers.detector.stream_ages import BOUNDS_S, IDLE_S, SWEEP_EVERY_S, StreamAges

NAME = "ages"
AGES_S = (0.0, 0.05, 0.06, 0.5, 29.9, 30.0, 31.0)


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def ages(registry: CollectorRegistry, hand: Hand) -> StreamAges:
    made = StreamAges(NAME, most=3, clock=hand)
    registry.register(made)
    return made


def count(registry: CollectorRegistry, stream: str) -> float | None:
    return registry.get_sample_value(f"{NAME}_count", {"stream": stream})


def test_it_reads_as_the_client_librarys_own_histogram(
    registry: CollectorRegistry, ages: StreamAges
) -> None:
    usual_registry = CollectorRegistry()
    usual = Histogram(NAME, "-", ["stream"], buckets=BOUNDS_S, registry=usual_registry)
    for stream in ("gate", "dock"):
        for age_s in AGES_S:
            ages.observe(stream, age_s)
            usual.labels(stream).observe(age_s)
    told, expected = (
        {
            line
            for line in generate_latest(each).decode().splitlines()
            if not line.startswith("#") and "_created" not in line
        }
        for each in (registry, usual_registry)
    )
    assert told == expected


def test_streams_beyond_the_most_share_one_series(
    registry: CollectorRegistry, ages: StreamAges
) -> None:
    for number in range(5):
        ages.observe(f"s{number}", 0.1)
    assert [count(registry, f"s{number}") for number in range(5)] == [1, 1, 1, None, None]
    assert count(registry, "other") == 2


def test_an_idle_stream_is_told_once_more_and_then_forgotten(
    registry: CollectorRegistry, ages: StreamAges, hand: Hand
) -> None:
    ages.observe("gate", 0.1)
    hand.now += IDLE_S
    ages.observe("dock", 0.1)
    hand.now += 1
    assert count(registry, "gate") == 1
    assert count(registry, "gate") is None
    assert count(registry, "dock") == 1
    ages.observe("gate", 0.1)
    assert count(registry, "gate") == 1, "it begins again"


def test_a_new_stream_takes_the_place_of_an_idle_one_though_nobody_scrapes(
    registry: CollectorRegistry, ages: StreamAges, hand: Hand
) -> None:
    for stream in ("a", "b", "c"):
        ages.observe(stream, 0.1)
    hand.now += IDLE_S + SWEEP_EVERY_S
    ages.observe("a", 0.1)
    ages.observe("d", 0.1)
    assert [count(registry, stream) for stream in ("a", "b", "c", "d")] == [2, None, None, 1]
