"""Questions about usage are checked; answers are the same as JSON and as CSV, and safe to open."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import usage_table
from billing.reports import UsageRow
from wire.errors import Rejected
from wire.frames import Tier
from wire.names import is_name
from wire.usage import Status

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
rows = st.builds(
    UsageRow,
    stream=names,
    model=names,
    status=st.sampled_from([status.value for status in Status]),
    tier=st.sampled_from([tier.value for tier in Tier]),
    start=st.just(NOW),
    frames=st.integers(0, 10**15),
    millitokens=st.integers(0, 10**15),
    adjusted=st.integers(-(10**15), 10**15),
)
group_lists = st.sampled_from(["stream", "model,tier,status", "day,stream", "hour"])


@given(st.lists(rows, max_size=5), group_lists)
def test_csv_holds_what_json_holds(found: list[UsageRow], groups: str) -> None:
    asked = usage_table.period(start=None, end=None, now=NOW)
    made = usage_table.table(asked, usage_table.groups(groups), found)
    told = json.loads(usage_table.as_json(made))["rows"]
    read = list(csv.DictReader(io.StringIO(usage_table.as_csv(made))))
    times = {"+00:00": "Z"}
    assert [
        {name: cell.replace("+00:00", times["+00:00"]) for name, cell in row.items()}
        for row in read
    ] == [{name: str(value) for name, value in row.items()} for row in told]


@given(st.lists(rows, max_size=5), group_lists)
def test_no_cell_is_a_formula(found: list[UsageRow], groups: str) -> None:
    asked = usage_table.period(start=None, end=None, now=NOW)
    text = usage_table.as_csv(usage_table.table(asked, usage_table.groups(groups), found))
    cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
    assert all(re.fullmatch(r"[a-z0-9][\w.:+-]*|-\d+(\.\d{3})?", cell, re.ASCII) for cell in cells)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "|", "'", '"'])
def test_no_name_begins_like_a_formula(start: str) -> None:
    assert not is_name(f"{start}1+1")


def test_without_times_it_is_the_last_day() -> None:
    asked = usage_table.period(start=None, end=None, now=NOW)
    assert (asked.start, asked.end) == (NOW - timedelta(days=1), NOW)


def test_moments_are_brought_to_utc() -> None:
    here = timezone(timedelta(hours=2))
    asked = usage_table.period(
        start=datetime(2026, 11, 24),  # noqa: DTZ001  (a moment without a zone is the case)
        end=datetime(2026, 11, 24, 14, tzinfo=here),
        now=NOW,
    )
    assert (asked.start, asked.end) == (NOW.replace(hour=0), NOW)
    assert (asked.start.tzinfo, asked.end.tzinfo) == (UTC, UTC)


@pytest.mark.parametrize("text", ["", ",", "colour", "stream,hour,day"])
def test_unknown_groups_are_refused(text: str) -> None:
    with pytest.raises(Rejected):
        usage_table.groups(text)


def test_a_group_named_twice_counts_once() -> None:
    assert usage_table.groups(" tier,stream , tier") == ("tier", "stream")


@pytest.mark.parametrize("days", [-1, 0, 401])
def test_a_range_that_is_no_range_or_too_long_is_refused(days: int) -> None:
    with pytest.raises(Rejected):
        usage_table.period(start=NOW, end=NOW + timedelta(days=days), now=NOW)


@pytest.mark.parametrize(
    "moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
)
def test_a_range_at_the_end_of_the_calendar_is_refused(moment: datetime) -> None:
    for start, end in ((None, moment), (moment, None), (moment, moment)):
        with pytest.raises(Rejected):
            usage_table.period(start=start, end=end, now=NOW)
