"""Which month retention begins with."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from billing.growth import months_back

# Hypothesis takes its bounds without a zone and adds it.
FIRST, LAST = datetime(1990, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001
MOMENTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@given(MOMENTS, st.integers(0, 1_000))
def test_going_back_month_by_month_is_going_back_at_once(now: datetime, months: int) -> None:
    stepwise = months_back(now, 0)
    assert stepwise <= now < stepwise + timedelta(days=31)
    for _ in range(months):
        stepwise = months_back(stepwise - timedelta(microseconds=1), 0)
    assert stepwise == months_back(now, months)
