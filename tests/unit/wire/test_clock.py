"""Clocks: aware and in UTC, and a manual one that moves only when it is told to."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given

from tests.unit.wire import strategies
from wire.clock import Clock, ManualClock, SystemClock, in_utc
from wire.errors import Rejected

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock(START)])
def test_now_is_aware_and_in_utc(clock: Clock) -> None:
    assert clock.now().tzinfo is UTC


def test_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


def test_a_manual_clock_moves_both_hands_together() -> None:
    clock = ManualClock(START)
    clock.advance(1.5)
    clock.advance(0)
    assert clock.monotonic() == 1.5
    assert clock.now() == START + timedelta(seconds=1.5)


def test_a_manual_clock_does_not_go_back() -> None:
    with pytest.raises(AssertionError):
        ManualClock(START).advance(-1)


@given(strategies.moments)
def test_a_moment_stays_the_same_in_utc(moment: datetime) -> None:
    assert in_utc(moment) == moment
    assert in_utc(moment).tzinfo is UTC


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_a_moment_off_the_calendar_is_rejected(moment: datetime) -> None:
    with pytest.raises(Rejected, match="calendar"):
        in_utc(moment)
