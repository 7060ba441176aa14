"""Statements of random lives: the balance's way is that of the transfers, to the millitoken."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.statement.figures import ChainHead, Statement, statement
from billing.statement.page import page
from billing.usage_table import Period
from tests.integration.billing.house import ACCOUNT, House
from tests.integration.billing.random_usage import FIRST, HOUR, LAST, RandomUsage
from wire.errors import Rejected, UnknownAccount

pytestmark = pytest.mark.integration


async def ask(house: House, start: datetime, end: datetime, account: str = ACCOUNT) -> Statement:
    """Return a statement."""
    period = Period(start=start, end=end)
    return await statement(house.pool, account=account, period=period, now=LAST)


def position(transfers: list[Any], before: datetime, *kinds: str) -> int:
    """Return what the account had before a moment, counted from the first transfer on."""
    mine = f"/{ACCOUNT}"
    return sum(
        row["amount"] * (row["credit"].endswith(mine) - row["debit"].endswith(mine))
        for row in transfers
        if row["at"] < before and (not kinds or row["kind"] in kinds)
    )


async def test_the_balance_goes_as_the_transfers_say(house: House) -> None:
    used = RandomUsage(house, seed=7)
    await used.write()
    await used.correct(FIRST, FIRST + 4 * HOUR)
    transfers = await house.pool.fetch("select * from transfer where account = $1", ACCOUNT)
    for _ in range(15):
        start, end = sorted((used.any_moment(), used.any_moment() + 3 * HOUR))
        made = await ask(house, start, end)
        moved = made.movement
        assert moved.opening == position(transfers, start)
        assert moved.closing == position(transfers, end)
        for amount, kind in (
            (moved.topups, "topup"),
            (-moved.charges, "charge"),
            (moved.adjustments, "adjust"),
        ):
            assert amount == position(transfers, end, kind) - position(transfers, start, kind)
        assert sum(entry.millitokens for entry in made.entries) == moved.topups + moved.adjustments
        frames = used.sums(start, end, ("stream", "status"))
        assert made.charged == sum(millitokens for _, millitokens in frames.values())
        assert sum(sum(use.frames.values()) for use in made.contracts) == sum(
            count for count, _ in frames.values()
        )


async def test_it_names_each_contract_with_its_price_and_every_correction(house: House) -> None:
    used = RandomUsage(house, seed=8)
    await used.write()
    await used.correct(FIRST, LAST)
    made = await ask(house, FIRST, LAST + 2 * HOUR)
    assert [(use.stream, use.unit_price, use.tariff) for use in made.contracts] == [
        ("gate", 1_050, "v1"),
        ("gate", 1_000, "v1"),
        ("lake", 700, "v1"),
    ]
    for use in made.contracts:
        assert use.millitokens == use.frames["detected"] * use.unit_price
        assert use.adjusted == -use.frames["detected"] * (use.unit_price // 2)
    assert made.movement.adjustments == -made.adjusted > 0
    assert made.entries[-1].kind == "adjust"
    assert made.step == "hour"
    assert (await ask(house, FIRST - timedelta(days=5), LAST)).step == "day"
    assert "gate" in page(made)


async def test_it_shows_the_last_seal(house: House) -> None:
    assert (await ask(house, FIRST, LAST)).chain_head is None
    await house.pool.execute(
        "insert into transfer_seal (position, transfer, at, xid, hash)"
        " select 1, id, at, xid, sha256('x') from transfer order by id limit 1"
    )
    head = (await ask(house, FIRST, LAST)).chain_head
    assert isinstance(head, ChainHead)
    assert (head.position, len(head.hash)) == (1, 32)


async def test_it_is_refused_for_nobody_and_for_what_is_not_kept(house: House) -> None:
    with pytest.raises(UnknownAccount):
        await ask(house, FIRST, LAST, account="nobody")
    await RandomUsage(house, seed=9).write()
    await house.pool.execute(
        "insert into transfer_seal (position, transfer, at, xid, hash)"
        " select row_number() over (order by id), id, at, xid, sha256('x') from transfer"
    )
    april = datetime(2026, 4, 1, tzinfo=FIRST.tzinfo)
    opening = (await ask(house, april, LAST)).movement.opening
    await house.pool.execute("select drop_transfers($1)", april)
    with pytest.raises(Rejected, match="2026-04-01"):
        await ask(house, FIRST, LAST)
    assert (await ask(house, april, LAST)).movement.opening == opening
