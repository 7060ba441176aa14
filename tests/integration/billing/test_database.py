"""Transactions: whole or not at all, tried again when others stand in the way."""

import asyncio
from typing import Any

import asyncpg
import pytest

from billing.database import ATTEMPTS_MAX, in_transaction
from tests.integration.billing.house import House
from wire.errors import Retryable

pytestmark = pytest.mark.integration


async def test_a_deadlock_is_tried_again_until_both_are_done(house: House) -> None:
    await house.accounts.create("a")
    await house.accounts.create("b")
    both_hold_one = asyncio.Barrier(2)
    attempts = 0

    async def cross(connection: Any, first: str, second: str, *, waits: bool) -> None:
        nonlocal attempts
        attempts += 1
        add = "update balance set available = available + 1 where account = $1"
        await connection.execute(add, first)
        if waits:
            await both_hold_one.wait()
        await connection.execute(add, second)

    async def run(first: str, second: str) -> None:
        tries = iter([True])
        await in_transaction(
            house.pool,
            lambda connection: cross(connection, first, second, waits=next(tries, False)),
        )

    await asyncio.gather(run("a", "b"), run("b", "a"))
    assert attempts >= 3
    assert [(await house.accounts.balance(name)).available for name in "ab"] == [2, 2]


async def test_endless_contention_is_given_up_as_retryable(house: House) -> None:
    attempts = 0

    async def work(connection: Any) -> None:
        nonlocal attempts
        attempts += 1
        raise asyncpg.SerializationError("in the way")

    with pytest.raises(Retryable, match="contended"):
        await in_transaction(house.pool, work)
    assert attempts == ATTEMPTS_MAX


async def test_work_that_fails_leaves_nothing_behind(house: House) -> None:
    async def work(connection: Any) -> None:
        await connection.execute("update balance set available = 1")
        raise Retryable("something else is away")

    with pytest.raises(Retryable):
        await in_transaction(house.pool, work)
    assert await house.amounts() == (100, 0, 0)


async def test_a_connection_that_is_cut_shows_as_retryable(house: House) -> None:
    async def work(connection: Any) -> None:
        number = await connection.fetchval("select pg_backend_pid()")
        await house.as_owner(f"select pg_terminate_backend({number})")
        await connection.execute("select 1")

    with pytest.raises(Retryable, match="PostgreSQL"):
        await in_transaction(house.pool, work)
    assert await house.amounts() == (100, 0, 0)
