"""Accounts, top-ups, keys, and a ledger that only grows."""

import asyncio

import asyncpg
import pytest

from billing.database import migrate, open_pool
from tests.integration.billing.house import ACCOUNT, House
from wire.errors import Misconfigured, NotAllowed, Rejected, Retryable, UnknownAccount

pytestmark = pytest.mark.integration


async def test_a_top_up_counts_once_whoever_repeats_it(house: House) -> None:
    done = await asyncio.gather(
        *(house.accounts.top_up(ACCOUNT, 5_000, "invoice-1") for _ in range(8))
    )
    assert sorted(each.applied for each in done) == [False] * 7 + [True]
    assert await house.amounts() == (105, 0, 0)


async def test_a_reference_stands_for_one_amount(house: House) -> None:
    await house.accounts.top_up(ACCOUNT, 5_000, "invoice-1")
    with pytest.raises(Rejected, match="use another reference"):
        await house.accounts.top_up(ACCOUNT, 6_000, "invoice-1")


@pytest.mark.parametrize("amount", [0, -1, 10**16])
async def test_amounts_that_cannot_be_are_rejected(house: House, amount: int) -> None:
    with pytest.raises(Rejected):
        await house.accounts.top_up(ACCOUNT, amount, "x")


async def test_an_account_that_is_not_there_has_no_balance(house: House) -> None:
    for name in ("nobody", "nul\0", "half\ud800"):
        with pytest.raises(UnknownAccount):
            await house.accounts.balance(name)
        with pytest.raises(UnknownAccount):
            await house.accounts.top_up(name, 1, "x")
        with pytest.raises(UnknownAccount):
            await house.accounts.create_key(name, ("read",))
        assert not await house.accounts.revoke_key(name)
    with pytest.raises(Rejected):
        await house.accounts.create("No Name")
    assert not await house.accounts.create(ACCOUNT)


@pytest.mark.parametrize(
    "change", ["update transfer set amount = 1", "delete from transfer", "truncate transfer"]
)
async def test_transfers_cannot_be_changed(house: House, change: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await house.pool.execute(change)
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await house.as_owner(change)


@pytest.mark.parametrize("purse", ["available", "held", "receivable"])
async def test_the_database_refuses_a_balance_below_zero(house: House, purse: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await house.pool.execute(f"update balance set {purse} = -1")


async def test_every_change_of_a_balance_is_news_with_a_higher_version(house: House) -> None:
    await house.accounts.top_up(ACCOUNT, 1_000, "second")
    rows = await house.pool.fetch("select version, available from outbox order by id")
    assert [tuple(row) for row in rows] == [(1, 0), (2, 100_000), (3, 101_000)]


async def test_a_key_opens_until_it_is_revoked(house: House) -> None:
    key = await house.accounts.create_key(ACCOUNT, ("read", "detect"))
    assert key.secret.startswith(f"fm_{key.key_id}_")
    assert key.secret not in repr(key)
    caller = await house.accounts.authenticate(key.secret)
    assert (caller.account, caller.scopes) == (ACCOUNT, {"read", "detect"})
    stored = await house.pool.fetchval("select secret_sha256 from api_key")
    assert key.secret.encode() not in stored
    assert await house.accounts.revoke_key(key.key_id)
    assert not await house.accounts.revoke_key(key.key_id)
    with pytest.raises(NotAllowed):
        await house.accounts.authenticate(key.secret)


@pytest.mark.parametrize("secret", ["", "fm", "fm_a_b", "x_y_z", "fm_\0_b", "fm_é_b", "f" * 500])
async def test_what_is_no_key_opens_nothing(house: House, secret: str) -> None:
    with pytest.raises(NotAllowed):
        await house.accounts.authenticate(secret)


async def test_a_key_with_another_keys_id_opens_nothing(house: House) -> None:
    key = await house.accounts.create_key(None, ("admin",))
    with pytest.raises(NotAllowed):
        await house.accounts.authenticate(f"fm_{key.key_id}_{'a' * 43}")


async def test_keys_have_known_scopes_and_accounts(house: House) -> None:
    with pytest.raises(Rejected, match="scopes are"):
        await house.accounts.create_key(None, ("everything",))
    with pytest.raises(UnknownAccount):
        await house.accounts.create_key("nobody", ("read",))


async def test_processes_that_start_together_migrate_once(database: str) -> None:
    await asyncio.gather(*(migrate(database) for _ in range(4)))
    async with await open_pool(database, size_max=1) as pool:
        assert await pool.fetchval("select count(*) from alembic_version") == 1


async def test_a_database_that_is_away_can_be_tried_again_later(unused_tcp_port: int) -> None:
    dsn = f"postgresql://framemeter@127.0.0.1:{unused_tcp_port}/nowhere"
    with pytest.raises(Retryable, match="PostgreSQL"):
        await migrate(dsn)
    with pytest.raises(Retryable, match="PostgreSQL"):
        await open_pool(dsn, size_max=1)


async def test_a_database_that_does_not_exist_is_a_mistake_of_the_operator(database: str) -> None:
    with pytest.raises(Misconfigured, match="FRAMEMETER_POSTGRES"):
        await open_pool(f"{database}_not", size_max=1)
