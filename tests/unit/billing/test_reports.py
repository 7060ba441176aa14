"""A range of time is split at full hours without losing or doubling a moment."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from billing.reports import HOUR, spans

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
moments = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001  (hypothesis adds the zone)
    max_value=datetime(2026, 1, 3),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)


def is_full(moment: datetime) -> bool:
    return moment == moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@given(moments, moments)
def test_the_three_parts_follow_each_other_and_the_middle_one_is_of_whole_hours(
    one: datetime, other: datetime
) -> None:
    start, end = sorted((one, other))
    parts = spans(start, end)
    assert (parts.head[0], parts.tail[1]) == (start, end)
    assert (parts.head[1], parts.whole[1]) == (parts.whole[0], parts.tail[0])
    begins, ends = parts.whole
    assert begins == ends or (is_full(begins) and is_full(ends))
    assert all(edge[0] <= edge[1] for edge in (parts.head, parts.whole, parts.tail))
    edges = [edge for edge in (parts.head, parts.tail) if edge[0] < edge[1]]
    assert all(ends - begins < HOUR for begins, ends in edges)
    assert all(
        hour <= begins < ends <= hour + HOUR
        for hour, (begins, ends) in zip(parts.torn_hours(), edges, strict=True)
    )


def test_whole_hours_tear_none() -> None:
    assert spans(NOON, NOON + 2 * HOUR).torn_hours() == []
    within = spans(NOON + timedelta(minutes=5), NOON + timedelta(minutes=50))
    assert within.torn_hours() == [NOON]
