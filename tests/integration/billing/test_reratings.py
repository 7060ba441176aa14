"""A re-rating in PostgreSQL: adjust transfers that are the lines' sum, once, and the way back."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import asyncpg
import msgspec
import pytest

from billing.audit import audit
from billing.rerating import Rerating
from billing.reratings import Outcome, Reratings
from billing.tariff import TARIFF_V1
from billing.tariff_document import encode
from billing.tariffs import Tariffs
from tests.integration.billing.house import ACCOUNT, CAPTURED_AT, House, asking, event
from wire.clock import SystemClock
from wire.errors import Rejected, UnknownAccount
from wire.slicing import Slices
from wire.usage import Status

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
START = CAPTURED_AT.replace(minute=0, second=0, microsecond=0)
NOW = SystemClock().now()
HALF = replace(TARIFF_V1, version="half", starts_at=NOW + HOUR, alpha=Fraction("0.5"))
DEAR = replace(TARIFF_V1, version="dear", starts_at=NOW + 2 * HOUR, alpha=Fraction(100))
PUBLISHED = Rerating(
    account=ACCOUNT, start=START, end=START + 2 * HOUR, tariff="v1", reason="agreed"
)


@pytest.fixture
async def rerate(house: House) -> Reratings:
    """Give what re-rates a house whose account used 8 tokens in two hours and 1 in a third."""
    clock = SystemClock()
    for tariff in (HALF, DEAR):
        await Tariffs(house.pool, clock).add(encode(tariff))
    await house.open("gate", frames=20)
    await house.open("door", frames=10)
    await house.write(
        event(0, 4),
        event(5, 6, captured_at=CAPTURED_AT + HOUR),
        event(7, 9, Status.FAILED),
        event(10, 10, captured_at=CAPTURED_AT + 2 * HOUR),
        event(0, 0, stream="door"),
    )
    return Reratings(house.pool, clock)


async def equation(house: House) -> tuple[int, int]:
    """Return the account's revenue, in tokens, by its transfers and by hours and lines."""
    row = await house.pool.fetchrow("""
        select
            (select sum(case when credit = 'revenue' then amount when debit = 'revenue'
                             then -amount else 0 end) from transfer)::int8 as transfers,
            (select sum(millitokens) from usage_hour)::int8
                + (select coalesce(sum(millitokens), 0) from rerating_line)::int8 as hours
    """)
    assert row is not None
    return row["transfers"] / 1_000, row["hours"] / 1_000


async def test_a_period_is_paid_back_once_and_the_way_back_is_exact(
    house: House, rerate: Reratings
) -> None:
    before = await house.amounts()
    asked = replace(PUBLISHED, tariff="half")
    shown = await rerate.show(asked)
    assert (shown.outcome, shown.millitokens) == (Outcome.SHOWN, -4_000)
    assert [(line.stream, line.frames, line.charged, line.due) for line in shown.lines] == [
        ("door", 1, 1_000, 500),
        ("gate", 5, 5_000, 2_500),
        ("gate", 2, 2_000, 1_000),
    ]
    assert await house.amounts() == before
    booked = await asyncio.gather(*(rerate.book(asked) for _ in range(4)))
    assert sorted(each.outcome for each in booked) == ["booked", "exists", "exists", "exists"]
    assert {each.millitokens for each in booked} == {-4_000}
    assert await house.amounts() == (before[0] + 4, before[1], 0)
    assert await equation(house) == (5, 5)
    other_words = replace(asked, reason="told twice")
    assert (await rerate.book(other_words)).outcome is Outcome.NOTHING
    assert (await rerate.book(PUBLISHED)).millitokens == 4_000
    assert await house.amounts() == before
    assert await equation(house) == (9, 9)
    found = await audit(house.pool, redis=None, kafka=None, topics=None)
    assert [check for check in found.checks if not check.ok] == []


async def test_what_the_account_cannot_pay_of_a_dearer_tariff_is_owed(
    house: House, rerate: Reratings
) -> None:
    assert await house.amounts() == (73, 18, 0)
    await rerate.book(replace(PUBLISHED, tariff="dear"))
    assert await house.amounts() == (0, 18, 792 - 73)
    assert await equation(house) == (801, 801)
    kinds = await house.pool.fetch(
        "select debit, amount from transfer where kind = 'adjust' order by debit"
    )
    assert [tuple(row) for row in kinds] == [
        ("available/park", 73_000),
        ("receivable/park", 719_000),
    ]
    found = await audit(house.pool, redis=None, kafka=None, topics=None)
    assert [check for check in found.checks if not check.ok] == []
    for change in ("update rerating set reason = 'x'", "delete from rerating_line"):
        with pytest.raises(asyncpg.PostgresError):
            await house.pool.execute(change)


async def test_frames_that_are_billed_late_are_corrected_by_the_next_re_rating(
    house: House, rerate: Reratings
) -> None:
    asked = replace(PUBLISHED, tariff="half")
    await rerate.book(asked)
    await house.write(event(11, 12))
    again = await rerate.book(replace(asked, reason="late frames"))
    assert (again.outcome, again.millitokens) == (Outcome.BOOKED, -1_000)
    assert await equation(house) == (6, 6)
    for wrong in (replace(asked, account="nobody"), replace(asked, tariff="nothing")):
        for call in (rerate.show, rerate.book):
            with pytest.raises((UnknownAccount, Rejected)):
                await call(wrong)


async def test_the_tiles_of_a_sliced_session_are_re_rated_too(
    house: House, rerate: Reratings
) -> None:
    cut = msgspec.structs.replace(
        asking("roof", frames=2), slices=Slices(rows=2, columns=3, overlap=0.2)
    )
    grant = await house.sessions.open(cut)
    assert grant.unit_price == 6_000
    await house.write(event(0, 1, stream="roof"))
    shown = await rerate.show(replace(PUBLISHED, tariff="half"))
    lines = {line.stream: (line.charged, line.due) for line in shown.lines}
    assert lines["roof"] == (12_000, 6_000)
    assert not any(line.difference for line in (await rerate.show(PUBLISHED)).lines)
