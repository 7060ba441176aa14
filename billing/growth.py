"""Makes the months' partitions ahead of time, and lets old months go where retention says so.

Minutes may go because the hours stay; transfers may go once they are sealed, with their sums
carried and the chain's anchor kept, and never while the chain shows that one was tampered with.
The checks are in the database's own functions, which the processes' role can call and not change.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import structlog

from billing import sealer
from billing.database import in_transaction
from billing.queries import sql
from wire.clock import Clock
from wire.errors import Retryable
from wire.process import wait_or_stop

log = structlog.stdlib.get_logger("billing.growth")

EVERY_S = 3_600.0
RETRY_S = 60.0
MONTHS_AHEAD = 3
"""This month and the next two."""
LOCK_TIMEOUT = "2s"
"""Making or dropping a month must lock out everyone for a moment; rather try again later."""
DROP_TIMEOUT_S = 600.0

_NOT_NOW = (asyncpg.LockNotAvailableError, asyncpg.ObjectNotInPrerequisiteStateError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many whole months before the running one are kept; 0: all of them, for ever."""

    usage_months: int = 0
    transfer_months: int = 0


class Tampered(Exception):
    """The chain is broken: nothing of it may be dropped."""


async def run(
    stop: asyncio.Event, pool: "asyncpg.Pool[Any]", clock: Clock, retention: Retention
) -> None:
    """Tend the months at once and then every hour, until `stop`."""
    while not stop.is_set():
        wait_s = EVERY_S
        try:
            await tend(pool, clock.now(), retention)
        except Tampered as error:
            log.error("old transfers stay, for the audit fails", reason=str(error))
        except (Retryable, *_NOT_NOW) as error:
            log.warning("months are not tended", reason=str(error))
            wait_s = RETRY_S
        await wait_or_stop(stop, wait_s)


async def tend(pool: "asyncpg.Pool[Any]", now: datetime, retention: Retention) -> None:
    """Make the next months and drop those that are past keeping; each in its own transaction."""
    made = await in_transaction(pool, lambda connection: _make(connection, now))
    if made:
        log.info("made partitions for the months ahead", partitions=made)
    if retention.usage_months:
        before = months_back(now, retention.usage_months)
        await _drop(pool, "growth.drop_usage_minutes", before)
    if retention.transfer_months:
        before = months_back(now, retention.transfer_months)
        await _check_chain(pool, before)
        await _drop(pool, "growth.drop_transfers", before)


def months_back(now: datetime, months: int) -> datetime:
    """Return the beginning, in UTC, of the month that lies `months` before the running one."""
    number = now.year * 12 + now.month - 1 - months
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


async def _make(connection: Any, now: datetime) -> int:
    await connection.execute(sql("growth.patience"), LOCK_TIMEOUT)
    return int(await connection.fetchval(sql("growth.make_months"), now, MONTHS_AHEAD))


async def _drop(pool: "asyncpg.Pool[Any]", query: str, before: datetime) -> None:
    async def work(connection: Any) -> int:
        await connection.execute(sql("growth.patience"), LOCK_TIMEOUT)
        return int(await connection.fetchval(sql(query), before, timeout=DROP_TIMEOUT_S))

    if dropped := await in_transaction(pool, work):
        log.info("dropped old months", what=query, months=dropped, before=before.isoformat())


async def _check_chain(pool: "asyncpg.Pool[Any]", before: datetime) -> None:
    """Raise `Tampered` when there is something to drop and the chain does not hold."""

    async def work(connection: Any) -> None:
        if not await connection.fetchval(sql("growth.has_transfers_before"), before):
            return
        chain = await sealer.verify(connection)
        if chain.faults:
            raise Tampered(chain.first_fault)

    await in_transaction(pool, work)
