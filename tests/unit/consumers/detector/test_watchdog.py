"""A call that does not come back is noticed; a process that slept is not taken for one."""

from consumers.detector.watchdog import Hang, Watchdog

LIMIT_S = 10.0


def watched() -> tuple[Watchdog, list[Hang]]:
    hangs: list[Hang] = []
    watchdog = Watchdog(LIMIT_S, end=hangs.append)
    watchdog.tick(0.0)
    return watchdog, hangs


def tick_until(watchdog: Watchdog, start: int, end: int) -> None:
    for second in range(start, end + 1):
        watchdog.tick(float(second))


def test_a_call_over_the_limit_is_reported_with_where_it_stands() -> None:
    watchdog, hangs = watched()
    with watchdog.watching("openvino-bf16"):
        tick_until(watchdog, 1, 10)
        assert not hangs
        watchdog.tick(11.0)
    assert hangs[0].what == "openvino-bf16"
    assert hangs[0].seconds > LIMIT_S
    assert "test_a_call_over_the_limit" in hangs[0].stack


def test_many_short_calls_are_none_that_hangs() -> None:
    watchdog, hangs = watched()
    for second in range(1, 50):
        with watchdog.watching("fake"):
            watchdog.tick(float(second))
    assert not hangs


def test_time_in_which_the_process_was_stopped_does_not_count() -> None:
    watchdog, hangs = watched()
    with watchdog.watching("fake"):
        tick_until(watchdog, 1, 3)
        watchdog.tick(3600.0)
        assert not hangs
        tick_until(watchdog, 3601, 3608)
    assert hangs
