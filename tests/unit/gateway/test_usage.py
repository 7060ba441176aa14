"""Usage is told by the groups that were asked for, as JSON or CSV."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.reports import UsageRow
from gateway.usage import question
from tests.unit.gateway.house import House
from wire.errors import Rejected

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROW = UsageRow(
    stream="gate", model="yolov8s", status=None, start=NOW, frames=20, millitokens=20_500
)


async def test_usage_is_json_with_the_asked_groups(house: House) -> None:
    house.books.rows = [ROW]
    async with house.client() as client:
        response = await client.get(
            "/v1/usage",
            params={"from": "2026-11-24T00:00:00Z", "to": "2026-11-25", "group_by": "stream,hour"},
        )
    assert response.status_code == 200
    assert response.json() == {
        "from": "2026-11-24T00:00:00Z",
        "to": "2026-11-25T00:00:00Z",
        "group_by": ["stream", "hour"],
        "rows": [
            {
                "stream": "gate",
                "hour": "2026-11-24T12:00:00Z",
                "frames": 20,
                "tokens": "20.500",
                "millitokens": 20_500,
            }
        ],
    }
    assert house.books.asked == [("a", ("stream", "hour"))]


@pytest.mark.parametrize(
    ("path", "accept"), [("/v1/usage?format=csv", "*/*"), ("/v1/usage?", "text/csv")]
)
async def test_usage_is_csv_for_who_wants_it(house: House, path: str, accept: str) -> None:
    house.books.rows = [ROW]
    async with house.client() as client:
        response = await client.get(f"{path}&group_by=stream,day", headers={"accept": accept})
    assert response.headers["content-type"].startswith("text/csv")
    assert response.text.splitlines() == [
        "stream,day,frames,tokens,millitokens",
        "gate,2026-11-24T12:00:00+00:00,20,20.500,20500",
    ]


def test_without_times_it_is_the_last_day() -> None:
    asked = question(start=None, end=None, group_by="stream", now=NOW)
    assert (asked.start, asked.end) == (NOW - timedelta(days=1), NOW)


@pytest.mark.parametrize("group_by", ["", ",", "colour", "stream,hour,day"])
def test_unknown_groups_are_refused(group_by: str) -> None:
    with pytest.raises(Rejected):
        question(start=None, end=None, group_by=group_by, now=NOW)


@pytest.mark.parametrize("days", [-1, 0, 401])
def test_a_range_that_is_no_range_or_too_long_is_refused(days: int) -> None:
    with pytest.raises(Rejected):
        question(start=NOW, end=NOW + timedelta(days=days), group_by="stream", now=NOW)


async def test_another_accounts_usage_is_404_and_not_looked_up(house: House) -> None:
    async with house.client("key-b") as client:
        assert (await client.get("/v1/usage?account=a")).status_code == 404
    assert house.books.asked == []
