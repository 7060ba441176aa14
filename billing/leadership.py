"""One process at a time: an advisory lock on a connection of its own, gone when that is gone.

It spares work and keeps order while all is well. It fences nobody: a leader that was stopped for
long may act once more after another one was made.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from billing.database import connected
from billing.queries import sql


@asynccontextmanager
async def leading(pool: "asyncpg.Pool[Any]", lock: int) -> AsyncIterator[Any | None]:
    """Give the connection that holds `lock`, or None while another process leads.

    Raises `Retryable` when the database is away.
    """
    async with connected(pool) as connection:
        if not await connection.fetchval(sql("relay.lead"), lock):
            yield None
            return
        yield connection  # the pool gives up a returned connection's locks, PostgreSQL a lost one's
