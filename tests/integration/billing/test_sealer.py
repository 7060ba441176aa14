"""The chain over transfers: nothing is passed over, and whoever changes a row is found."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from billing import sealer
from billing.audit import audit
from billing.metrics import BillerMetrics
from tests.integration.billing.house import ACCOUNT, House, event
from tests.integration.billing.test_sessions import closing, write

pytestmark = pytest.mark.integration

INSERT = """
    insert into transfer (at, kind, debit, credit, amount, reference, account)
    values (now(), 'topup', 'issued', 'available/park', 1, $1, 'park') returning id
"""
UNSEALED = "select count(*) from transfer where id not in (select transfer from transfer_seal)"
OPEN = (
    "alter table transfer disable trigger user",
    "alter table transfer_seal disable trigger user",
)


async def seal_all(house: House, *, batch_size_max: int = 3) -> None:
    """Seal until nothing waits; transactions of other tests may hold it up for moments."""

    async def is_done() -> bool:
        await sealer.seal(house.pool, batch_size_max=batch_size_max)
        return await house.pool.fetchval(UNSEALED) == 0

    await house.until(is_done)


@pytest.fixture
async def sealed_house(house: House) -> House:
    """Give a house with a dozen sealed transfers."""
    for number in range(8):
        await house.accounts.top_up(ACCOUNT, 1_000 + number, f"more {number}")
    await house.open(frames=10)
    await write(house, event(0, 4))
    await house.sessions.close("gate", 1, closing(4))
    await seal_all(house)
    return house


async def test_a_transfer_that_commits_late_is_not_passed_over(house: House) -> None:
    await seal_all(house)
    early, late = [await asyncpg.connect(house.database) for _ in range(2)]
    async with asyncio.timeout(20):
        running = early.transaction()
        await running.start()
        first = await early.fetchval(INSERT, "early")
        second = await late.fetchval(INSERT, "late")
        assert await sealer.seal(house.pool) == 0
        third = await early.fetchval(INSERT, "early again")
        await running.commit()
        await seal_all(house, batch_size_max=1)
    rows = await house.pool.fetch("select transfer from transfer_seal order by position desc")
    assert [row["transfer"] for row in rows[:3]] == [second, third, first]
    await early.close()
    await late.close()


async def test_sealers_of_several_billers_make_one_chain(house: House) -> None:
    stop = asyncio.Event()
    metrics = [BillerMetrics(CollectorRegistry()) for _ in range(3)]
    tasks = [asyncio.create_task(sealer.run(stop, house.pool, each)) for each in metrics]
    for number in range(40):
        await house.accounts.top_up(ACCOUNT, 1_000, f"more {number}")

    async def is_sealed() -> bool:
        return await house.pool.fetchval(UNSEALED) == 0

    await house.until(is_sealed)
    stop.set()
    await asyncio.gather(*tasks)
    async with house.pool.acquire() as connection, connection.transaction():
        chain = await sealer.verify(connection)
    assert (chain.faults, chain.verified, chain.position) == (0, 41, 41)
    assert sum(each.sealed_transfers._value.get() for each in metrics) == 41


RECOMPUTED = """
    select count(*) from transfer_seal as s
    join transfer as t on t.id = s.transfer
    left join transfer_seal as p on p.position = s.position - 1,
    lateral (
        select string_agg(octet_length(value) || ':' || value || ',', '' order by place) as bytes
        from unnest(array[t.id::text, (extract(epoch from t.at) * 1000000)::bigint::text, t.kind,
                          t.debit, t.credit, t.amount::text, t.reference, t.account])
            with ordinality as v (value, place)
    ) as canonical
    where s.hash = sha256(coalesce(p.hash, decode(repeat('00', 32), 'hex'))
                          || convert_to(canonical.bytes, 'UTF8'))
"""


async def test_anyone_can_compute_the_chain_with_sql_alone(sealed_house: House) -> None:
    await sealed_house.accounts.top_up(ACCOUNT, 1_000, "März")
    await seal_all(sealed_house)
    count = await sealed_house.pool.fetchval("select count(*) from transfer")
    assert await sealed_house.pool.fetchval(RECOMPUTED) == count > 10


@contextlib.asynccontextmanager
async def tampered(house: House, *statements: str) -> AsyncIterator[Any]:
    """Give a connection that sees what an owner did who got past the triggers; undo it."""
    connection = await asyncpg.connect(house.database)
    running = connection.transaction()
    await running.start()
    for statement in (*OPEN, *statements):
        await connection.execute(statement)
    yield connection
    await running.rollback()
    await connection.close()


async def test_the_first_row_that_was_tampered_with_is_named(sealed_house: House) -> None:
    house = sealed_house
    rows = await house.pool.fetch("select position, transfer from transfer_seal order by position")
    fifth, sixth = rows[4]["transfer"], rows[5]["transfer"]
    changed, gone, late = "is not what was sealed", "is gone", "has no seal before it"
    swap = (
        "update transfer as t set amount = o.amount, at = o.at from transfer as o"
        f" where (t.id, o.id) in (({fifth}, {sixth}), ({sixth}, {fifth}))"
    )
    for statements, blamed, what, faults in (
        ((f"update transfer set amount = amount + 1 where id = {fifth}",), fifth, changed, 1),
        (
            (f"update transfer set amount = 7 where id >= {fifth}",),
            fifth,
            changed,
            len(rows) - 4,
        ),
        (
            (f"update transfer set at = at - interval '2 months' where id = {fifth}",),
            fifth,
            changed,
            1,
        ),
        ((f"delete from transfer where id = {fifth}",), fifth, gone, 1),
        ((swap,), fifth, changed, 2),
        ((f"delete from transfer_seal where transfer = {fifth}",), sixth, late, 1),
        (("delete from transfer_seal where position <= 5",), sixth, late, 1),
    ):
        async with tampered(house, *statements) as connection:
            chain = await sealer.verify(connection)
        assert chain.first_fault.startswith(f"transfer {blamed} of "), (
            statements,
            chain.first_fault,
        )
        assert what in chain.first_fault
        assert chain.faults == faults, statements
    async with tampered(house) as connection:
        assert (await sealer.verify(connection)).faults == 0


async def sealing(house: House) -> tuple[bool, str]:
    """Return what the audit says of the seals."""
    report = await audit(house.pool, redis=None, kafka=None, topics=None)
    (check,) = [each for each in report.checks if each.name.startswith("transfers are sealed")]
    return check.ok, check.detail


async def test_the_audit_names_a_changed_and_an_inserted_transfer(sealed_house: House) -> None:
    house = sealed_house
    ok, detail = await sealing(house)
    assert ok and "chain head" in detail
    number = await house.pool.fetchval("select transfer from transfer_seal where position = 3")
    change = "update transfer set amount = amount {} 1 where id = {}"
    await house.as_owner(*OPEN, change.format("+", number))
    assert await sealing(house) == (False, await _fault(house, number))
    await house.as_owner(*OPEN, change.format("-", number))
    await house.as_owner(
        "insert into transfer (at, kind, debit, credit, amount, reference, account, xid) select"
        " at, kind, debit, credit, amount, 'again', account, xid from transfer order by id limit 1"
    )
    ok, detail = await sealing(house)
    newest = await house.pool.fetchval("select max(id) from transfer")
    assert (ok, detail) == (False, f"transfer {newest} was slipped in behind the chain")


async def _fault(house: House, number: int) -> str:
    at = await house.pool.fetchval("select at from transfer where id = $1", number)
    return f"transfer {number} of {at.isoformat()} is not what was sealed"


async def test_a_tail_is_a_fault_only_when_a_biller_has_passed_it_by(house: House) -> None:
    await house.writer().register([0])
    ok, detail = await sealing(house)
    assert ok and "1 wait to be sealed" in detail
    await house.pool.execute("update consumer_position set watermark_at = now() + interval '2 min'")
    ok, detail = await sealing(house)
    assert not ok and "nothing is sealed" in detail


async def test_a_database_restored_on_another_server_goes_on_with_its_chain(house: House) -> None:
    await house.accounts.top_up(ACCOUNT, 1_000, "before")
    await seal_all(house)
    await house.as_owner(
        *OPEN,
        "update transfer set xid = '9000000000000000000'",
        "update transfer_seal set xid = '9000000000000000000'",
    )
    await house.accounts.top_up(ACCOUNT, 1_000, "after")
    await seal_all(house, batch_size_max=1)
    async with house.pool.acquire() as connection, connection.transaction():
        chain = await sealer.verify(connection)
    assert (chain.faults, chain.position) == (0, 3)
