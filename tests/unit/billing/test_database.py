"""What a broken connection may hide, and what it may not: a task that is cancelled ends."""

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

import asyncpg
import pytest

from billing.database import connected
from wire.errors import Retryable


class Lending:
    """A pool with one connection that cannot be returned."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def acquire(self, *, timeout: float) -> "Lending":
        """Lend, as asyncpg does, by a context manager."""
        return self

    async def __aenter__(self) -> object:
        return object()

    async def __aexit__(self, *_: object) -> None:
        raise self._error


async def borrow(error: Exception, work: Awaitable[object]) -> None:
    """Do the work while a connection is lent that breaks."""
    async with connected(cast("asyncpg.Pool[Any]", Lending(error))):
        await work


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("another operation (2) is in progress"),
        asyncpg.InterfaceError("connection has been released back to the pool"),
        ConnectionResetError(),
    ],
)
async def test_a_connection_that_breaks_shows_as_a_database_that_is_away(error: Exception) -> None:
    with pytest.raises(Retryable, match="PostgreSQL does not answer"):
        await borrow(error, asyncio.sleep(0))


async def test_a_cancelled_task_ends_though_its_connection_breaks_too() -> None:
    error = asyncpg.InterfaceError("connection has been released back to the pool")
    task = asyncio.create_task(borrow(error, asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
