"""Usage is told by the groups that were asked for, as JSON or CSV."""

from datetime import UTC, datetime

import pytest

from billing.reports import UsageRow
from tests.unit.gateway.house import House

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROW = UsageRow(
    stream="gate",
    model="yolov8s",
    status=None,
    tier="priority",
    start=NOW,
    frames=20,
    millitokens=20_500,
    adjusted=-1_025,
)


async def test_usage_is_json_with_the_asked_groups(house: House) -> None:
    house.books.rows = [ROW]
    async with house.client() as client:
        response = await client.get(
            "/v1/usage",
            params={"from": "2026-11-24T00:00:00Z", "to": "2026-11-25", "group_by": "stream,hour"},
        )
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
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
                "adjusted": "-1.025",
                "adjusted_millitokens": -1_025,
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
        response = await client.get(f"{path}&group_by=tier,day", headers={"accept": accept})
    assert response.headers["content-type"].startswith("text/csv")
    assert response.text.splitlines() == [
        "tier,day,frames,tokens,millitokens,adjusted,adjusted_millitokens",
        "priority,2026-11-24T12:00:00+00:00,20,20.500,20500,-1.025,-1025",
    ]


async def test_another_accounts_usage_is_404_and_not_looked_up(house: House) -> None:
    async with house.client("key-b") as client:
        assert (await client.get("/v1/usage?account=a")).status_code == 404
    assert house.books.asked == []
