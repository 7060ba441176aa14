"""Time, passed in: wall time for what is written down, monotonic time for waits.

Pure code never reads a clock; whoever calls it passes `now`. Moments that come from outside are
aware (`Moment`) and brought to UTC (`in_utc`) before anything is computed from them.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Protocol

import msgspec

from wire.errors import Rejected

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time in a message: decoding refuses one without a time zone."""


def in_utc(moment: datetime) -> datetime:
    """Return an aware moment in UTC; raise `Rejected` when it falls off the calendar there."""
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Rejected(f"{moment.isoformat()} is outside the calendar in UTC") from None


class Clock(Protocol):
    """Where a process gets its time from."""

    def now(self) -> datetime:
        """Return the wall time, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations and deadlines."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall time, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when a test says so."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._seconds = 0.0

    def now(self) -> datetime:
        """Return the time last set."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by `seconds`."""
        assert seconds >= 0
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds
