"""When an event counts as charged, and what is made of the delays."""

from collections import deque

from benchmarks.delay import Pending, figures


def test_an_event_is_charged_once_the_position_has_passed_it() -> None:
    pending = Pending(left=3)
    for offset, emitted_at in ((0, 1.0), (1, 1.1), (2, 1.2)):
        pending.sent(4, offset, emitted_at)
    pending.charged(4, 2, now=1.5)
    assert [round(delay) for delay in pending.delays_ms] == [500, 400]
    assert pending.left == 1


def test_another_partitions_position_charges_nothing() -> None:
    pending = Pending(left=1)
    pending.sent(4, 0, 1.0)
    pending.charged(5, 9, now=2.0)
    assert pending.left == 1


def test_the_warm_up_is_left_out() -> None:
    delays = deque([900.0, 900.0, *(float(number) for number in range(1, 101))])
    assert figures(delays, warm_up=2) == {
        "events": 100,
        "p50_ms": 51.0,
        "p95_ms": 96.0,
        "p99_ms": 100.0,
    }
