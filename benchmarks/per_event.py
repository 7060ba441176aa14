"""The usual design, for comparison: each event is an UPDATE of its account's balance, committed.

It is given the best case: a plain table without history, as many connections as the biller writes
with, no reading of events, and no protection against charging a repeat.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle

import asyncpg

from billing.biller import WRITES_AT_ONCE_MAX

CONNECTIONS = WRITES_AT_ONCE_MAX
TABLE = "create table usual_balance (account text primary key, available bigint not null)"
FILL = "insert into usual_balance select account, 0 from unnest($1::text[]) as account"
CHARGE = "update usual_balance set available = available - $2 where account = $1"


async def updates_per_second(
    dsn: str, *, accounts: Sequence[str], price: int, seconds: float
) -> float:
    """Charge one event after another on each connection for some time; return events a second."""
    pool = await asyncpg.create_pool(
        dsn,
        min_size=CONNECTIONS,
        max_size=CONNECTIONS,
        server_settings={"synchronous_commit": "on"},
    )
    async with pool:
        await pool.execute(TABLE)
        await pool.execute(FILL, list(accounts))
        started = time.monotonic()
        counts = await asyncio.gather(
            *(
                _charge(pool, (*accounts[number:], *accounts[:number]), price, started + seconds)
                for number in range(CONNECTIONS)
            )
        )
        passed_s = time.monotonic() - started
        total = await pool.fetchval("select -sum(available) from usual_balance")
    assert total == sum(counts) * price, "the comparison itself miscounts"
    return sum(counts) / passed_s


async def _charge(
    pool: "asyncpg.Pool[asyncpg.Record]", accounts: Sequence[str], price: int, until_s: float
) -> int:
    """Charge the accounts in turn until a moment; return how many events that was."""
    count = 0
    async with pool.acquire() as connection:
        charge = await connection.prepare(CHARGE)
        for account in cycle(accounts):
            if time.monotonic() >= until_s:
                break
            await charge.fetch(account, price)
            count += 1
    return count
