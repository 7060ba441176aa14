"""Months: made ahead, let go by retention, and the books stay right without them."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from billing import growth, sealer
from billing.accounts import Accounts
from billing.audit import audit
from billing.growth import Retention, Tampered, months_back
from tests.integration.billing.house import ACCOUNT, House, event
from tests.integration.billing.test_sealer import OPEN, seal_all
from tests.integration.billing.test_sessions import closing, write
from wire.clock import ManualClock

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
KEPT = months_back(NOW, 1)
KEEP_ONE = Retention(usage_months=1, transfer_months=1)
MONTHS = """
    select count(*) from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
    where inhparent = $1::text::regclass and relname ~ '[0-9]$'
"""


@pytest.fixture
async def old_house(house: House) -> House:
    """Give a house with transfers and usage of five months; the oldest are in no month's table."""
    await house.as_owner(f"select make_months('{KEPT - timedelta(days=62)}', 3)")
    for days in (80, 40, 5, -5):
        clock = ManualClock(KEPT - timedelta(days=days))
        await Accounts(house.pool, clock).top_up(ACCOUNT, 1_000 * (100 + days), f"{days} days")
    await house.open(frames=20)
    for number, days in enumerate((80, 40, 5, -5)):
        at = KEPT - timedelta(days=days)
        await write(house, event(number * 3, number * 3 + 2, captured_at=at))
    await house.sessions.close("gate", 1, closing(11))
    return house


async def faults(house: House) -> list[str]:
    report = await audit(house.pool, redis=None, kafka=None, topics=None)
    return [f"{check.name}: {check.detail}" for check in report.checks if not check.ok]


async def test_old_months_go_and_the_books_stay_right(old_house: House) -> None:
    house = old_house
    amounts = await house.amounts()
    months = await house.pool.fetchval(MONTHS, "transfer")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="not sealed"):
        await growth.tend(house.pool, NOW, KEEP_ONE)
    assert await house.pool.fetchval("select count(*) from transfer where at < $1", KEPT) == 3
    await seal_all(house)
    assert await faults(house) == []
    sealed = await house.pool.fetchval("select max(position) from transfer_seal")

    await growth.tend(house.pool, NOW, KEEP_ONE)
    for relation, moment in (("transfer", "at"), ("usage_minute", "minute")):
        assert await house.pool.fetchval(f"select min({moment}) from {relation}") >= KEPT
    assert await house.pool.fetchval(MONTHS, "transfer") < months
    assert await house.pool.fetchval("select sum(frames) from usage_minute") == 3
    assert await house.pool.fetchval("select sum(frames) from usage_hour") == 12
    assert await house.pool.fetchval("select sum(transfers) from transfer_carried") == 3
    assert await faults(house) == []
    assert await house.amounts() == amounts
    # A reference that went with its month still counts once, and the chain goes on.
    assert not (await house.accounts.top_up(ACCOUNT, 180_000, "80 days")).applied
    await write(house, event(20, 20, stream="lake", captured_at=KEPT - timedelta(days=40)))
    await house.accounts.top_up(ACCOUNT, 1_000, "new")
    await seal_all(house)
    async with house.pool.acquire() as connection, connection.transaction():
        chain = await sealer.verify(connection)
    assert (chain.faults, chain.position) == (0, sealed + 1)
    await growth.tend(house.pool, NOW, KEEP_ONE)
    assert [fault.split(":")[0] for fault in await faults(house)] == ["every event has its session"]


async def test_what_was_lost_with_its_month_is_missed(old_house: House) -> None:
    """Retention hides no other loss: neither of a kept transfer nor of what is carried."""
    house = old_house
    await seal_all(house)
    await growth.tend(house.pool, NOW, KEEP_ONE)
    await house.as_owner("update transfer_carried set amount = amount + 1 where kind = 'topup'")
    assert len(await faults(house)) == 2
    await house.as_owner("update transfer_carried set amount = amount - 1 where kind = 'topup'")
    first = await house.pool.fetchval("select min(id) from transfer")
    await house.as_owner(*OPEN, f"delete from transfer where id = {first}")
    assert any(f"transfer {first} of" in fault for fault in await faults(house))


async def test_nothing_is_dropped_from_a_chain_that_does_not_hold(old_house: House) -> None:
    house = old_house
    await seal_all(house)
    await house.as_owner(*OPEN, "update transfer set amount = amount + 1 where kind = 'charge'")
    with pytest.raises(Tampered, match="is not what was sealed"):
        await growth.tend(house.pool, NOW, KEEP_ONE)
    assert await house.pool.fetchval("select count(*) from transfer where at < $1", KEPT) == 3


async def test_months_are_made_once_and_only_past_ones_can_go(house: House) -> None:
    ahead = NOW + timedelta(days=70)
    before = await house.pool.fetchval(MONTHS, "transfer")
    await growth.tend(house.pool, ahead, Retention())
    made = await house.pool.fetchval(MONTHS, "transfer")
    assert 2 <= made - before <= 3
    await growth.tend(house.pool, ahead, Retention())
    assert await house.pool.fetchval(MONTHS, "transfer") == made
    for moment in (NOW, months_back(NOW, -1)):
        for function in ("drop_transfers", "drop_usage_minutes"):
            with pytest.raises(asyncpg.InvalidParameterValueError):
                await house.pool.execute(f"select {function}($1)", moment)
