"""Reports of random usage that the real writer wrote: they equal the ledger to the millitoken."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from billing import reports
from billing.reports import GROUPS, UsageRow
from tests.integration.billing.house import ACCOUNT, House
from tests.integration.billing.random_usage import FIRST, HOUR, LAST, RandomUsage
from wire.errors import Rejected

pytestmark = pytest.mark.integration

REVENUE = """
    select coalesce(sum(amount * ((credit = 'revenue')::int - (debit = 'revenue')::int)), 0)::int8
    from transfer where account = $1 and kind = any($2::text[])
"""


@pytest.fixture
async def used(house: House) -> RandomUsage:
    """Give a ledger with random usage."""
    made = RandomUsage(house, seed=4)
    await made.write()
    return made


async def report(house: House, start: datetime, end: datetime, *groups: str) -> list[UsageRow]:
    """Return the account's usage."""
    return await reports.usage(house.pool, account=ACCOUNT, start=start, end=end, group_by=groups)


def told(rows: list[UsageRow], groups: tuple[str, ...]) -> dict[Any, Any]:
    """Return a report in the shape of `RandomUsage.sums`."""
    names = {"hour": "start", "day": "start"}
    keys = [tuple(getattr(row, names.get(group, group)) for group in groups) for row in rows]
    assert len(set(keys)) == len(keys)
    return {
        key: (row.frames, row.millitokens)
        for key, row in zip(keys, rows, strict=True)
        if row.frames
    }


async def revenue(house: House, *kinds: str) -> int:
    """Return what the ledger took from the account by transfers of these kinds."""
    return int(await house.pool.fetchval(REVENUE, ACCOUNT, kinds))


async def test_every_report_is_the_sum_of_what_was_written(house: House, used: RandomUsage) -> None:
    for _ in range(40):
        groups = tuple(used.random.sample(GROUPS[:4], used.random.randrange(5)))
        groups += used.random.choice(((), ("hour",), ("day",)))
        start, end = sorted((used.any_moment(), used.any_moment()))
        rows = await report(house, start, end, *groups)
        assert told(rows, groups) == used.sums(start, end, groups)
    (total,) = await report(house, FIRST, LAST)
    assert total.millitokens == await revenue(house, "charge") > 0


async def test_with_corrections_it_is_what_the_ledger_took(house: House, used: RandomUsage) -> None:
    await used.correct(FIRST + HOUR, FIRST + 3 * HOUR)
    await used.correct(FIRST + 5 * HOUR, FIRST + 6 * HOUR)
    (total,) = await report(house, FIRST, LAST)
    assert total.adjusted == sum(used.corrected.values()) == await revenue(house, "adjust") < 0
    assert total.millitokens + total.adjusted == await revenue(house, "charge", "adjust")
    by_hour = {row.start: row for row in await report(house, FIRST, LAST, "hour")}
    row = by_hour[FIRST + 5 * HOUR]
    assert row.adjusted == used.corrected[FIRST + 5 * HOUR, FIRST + 6 * HOUR] < 0
    assert by_hour[FIRST].adjusted == 0
    adjusted = {row.status: row.adjusted for row in await report(house, FIRST, LAST, "status")}
    assert {status for status, amount in adjusted.items() if amount} == {"detected"}
    # Ranges that follow each other share every correction out once, wherever they meet.
    for _ in range(10):
        between = used.any_moment()
        halves = [
            row
            for start, end in ((FIRST - HOUR, between), (between, LAST + HOUR))
            for row in await report(house, start, end)
        ]
        assert sum(row.adjusted for row in halves) == total.adjusted
        assert sum(row.millitokens for row in halves) == total.millitokens


async def test_whole_hours_are_told_when_their_minutes_are_gone_and_torn_ones_are_refused(
    house: House, used: RandomUsage
) -> None:
    before = await report(house, FIRST, LAST, "stream", "hour")
    await house.pool.execute("select drop_usage_minutes('2026-04-01T00:00:00Z')")
    assert await report(house, FIRST, LAST, "stream", "hour") == before
    minute = timedelta(minutes=1)
    for start, end in ((FIRST + minute, LAST), (FIRST, FIRST + 90 * minute)):
        with pytest.raises(Rejected, match=r"of the hour 2026-03-31T2\d:00Z .* whole hours"):
            await report(house, start, end)
    # Of an hour in which nothing was used nothing is lost; and April's minutes are there.
    assert await report(house, FIRST - 30 * minute, LAST, "stream", "hour") == before
    assert await report(house, LAST - 90 * minute, LAST - minute)
