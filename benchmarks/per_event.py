"""The usual designs, for comparison, on the same server and in the same run.

*An UPDATE an event*: a balance is changed and committed for each event, without any protection
against charging a repeat. *A dedup table*: every event's id is a row of its own, inserted unless it
is there, and what was new is charged, in transactions of many events. Both are given the best case:
plain tables without history, as many connections as the biller writes with, no reading of events.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import count, cycle, islice
from typing import Any

import asyncpg

from billing.biller import WRITES_AT_ONCE_MAX

CONNECTIONS = WRITES_AT_ONCE_MAX
DEDUP_BATCH = 1_000
"""Events a transaction; ten times as many were not faster."""
TABLE = "create table usual_balance (account text primary key, available bigint not null)"
FILL = "insert into usual_balance select account, 0 from unnest($1::text[]) as account"
CHARGE = "update usual_balance set available = available - $2 where account = $1"
DEDUP_TABLE = "create table usual_event (id text primary key, account text not null)"
DEDUP = """
with fresh as (
    insert into usual_event (id, account) select * from unnest($1::text[], $2::text[])
    on conflict do nothing
    returning account
)
select account, count(*) as events from fresh group by account order by account
"""
DEDUP_CHARGE = """
update usual_balance as b set available = b.available - c.amount
from unnest($1::text[], $2::int8[]) as c (account, amount) where b.account = c.account
"""
LOCK = "select from usual_balance where account = any($1::text[]) order by account for update"
DEDUP_BYTES = "select pg_total_relation_size('usual_event')::float8 / count(*) from usual_event"
SPENT = "select -sum(available)::int8 from usual_balance"

Work = Callable[[Any, int, float], Awaitable[int]]
"""Charges on one connection, which has a number, until a moment; returns how many events."""


async def updates_per_second(
    dsn: str, *, accounts: Sequence[str], price: int, seconds: float
) -> float:
    """Charge one event after another on each connection for some time; return events a second."""

    async def work(connection: Any, number: int, until_s: float) -> int:
        charge = await connection.prepare(CHARGE)
        done = 0
        for account in cycle((*accounts[number:], *accounts[:number])):
            if time.monotonic() >= until_s:
                break
            await charge.fetch(account, price)
            done += 1
        return done

    return await _speed(dsn, work, accounts=accounts, price=price, seconds=seconds)


async def dedups_per_second(
    dsn: str, *, accounts: Sequence[str], price: int, seconds: float
) -> float:
    """Note and charge events in transactions of many, for some time; return events a second."""

    async def work(connection: Any, number: int, until_s: float) -> int:
        names = cycle(accounts)
        done = 0
        for batch in count():
            if time.monotonic() >= until_s:
                break
            ids = [f"stream-{number}/{batch}/{event}" for event in range(DEDUP_BATCH)]
            await _dedup(connection, ids, list(islice(names, DEDUP_BATCH)), price)
            done += DEDUP_BATCH
        return done

    return await _speed(dsn, work, accounts=accounts, price=price, seconds=seconds)


async def dedup_bytes_per_event(dsn: str) -> float:
    """Return what each event of the run before cost on disk, for good, with its index."""
    connection = await asyncpg.connect(dsn)
    try:
        return float(await connection.fetchval(DEDUP_BYTES))
    finally:
        await connection.close()


async def _dedup(
    connection: Any,
    ids: Sequence[str],
    accounts: Sequence[str],
    price: int,
) -> None:
    async with connection.transaction():
        fresh = Counter(
            {row["account"]: row["events"] for row in await connection.fetch(DEDUP, ids, accounts)}
        )
        await connection.execute(LOCK, list(fresh))
        await connection.execute(
            DEDUP_CHARGE, list(fresh), [events * price for events in fresh.values()]
        )


async def _speed(
    dsn: str, work: Work, *, accounts: Sequence[str], price: int, seconds: float
) -> float:
    pool = await asyncpg.create_pool(
        dsn,
        min_size=CONNECTIONS,
        max_size=CONNECTIONS,
        server_settings={"synchronous_commit": "on"},
    )
    async with pool:
        for statement in ("drop table if exists usual_balance, usual_event", TABLE, DEDUP_TABLE):
            await pool.execute(statement)
        await pool.execute(FILL, list(accounts))
        started = time.monotonic()

        async def run(number: int) -> int:
            async with pool.acquire() as connection:
                return await work(connection, number, started + seconds)

        counts = await asyncio.gather(*(run(number) for number in range(CONNECTIONS)))
        passed_s = time.monotonic() - started
        spent = await pool.fetchval(SPENT)
    assert spent == sum(counts) * price, "the comparison itself miscounts"
    return sum(counts) / passed_s
