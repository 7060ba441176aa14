"""What is made of the biller's steps, and how much it is given."""

from benchmarks.biller import SESSIONS, Usual, figures, frames_per_session
from benchmarks.progress import Step


def test_the_biller_is_compared_with_the_usual_designs() -> None:
    steps = [Step(at_s=1.0, count=1_000), Step(at_s=3.0, count=101_000)]
    found = figures(steps, usual=Usual(updates=2_000, dedups=10_000, dedup_bytes=99.6), batches=12)
    assert found == {
        "events_per_second": 50_000,
        "measured_events": 100_000,
        "measured_seconds": 2.0,
        "batches": 12,
        "usual_updates_per_second": 2_000,
        "biller_to_usual": 25.0,
        "usual_dedups_per_second": 10_000,
        "biller_to_dedups": 5.0,
        "usual_dedup_bytes_per_event": 100,
    }


def test_a_run_of_twenty_seconds_has_three_hundred_thousand_events() -> None:
    assert frames_per_session(20) * SESSIONS == 300_000


def test_the_shortest_run_has_an_event_for_every_session() -> None:
    assert frames_per_session(0.001) == 1
