"""Roles: processes cannot change what is append-only, auditors cannot change or see a secret."""

import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from billing.audit import audit
from billing.database import Role, migrate, open_pool
from tests.integration.billing.house import ACCOUNT, House
from wire.errors import Misconfigured

pytestmark = pytest.mark.integration

APPEND_ONLY = {
    "transfer": "amount",
    "transfer_seal": "hash",
    "topup": "amount",
    "tariff": "version",
    "rerating": "reason",
    "rerating_line": "frames",
}
"""Tables, each with a column that one might want to change."""
CHANGES = ("update {0} set {1} = {1}", "delete from {0}", "truncate {0}", "drop table {0}")
TABLES = """
    select c.oid::regclass::text as name, c.relispartition as is_partition from pg_class as c
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1
"""


@pytest.fixture
async def login(house: House) -> AsyncIterator[str]:
    """Give the DSN of a user who may log in, and nothing else."""
    name = f"login_{secrets.token_hex(6)}"
    await house.as_owner(f"create role {name} login password 'test'")
    parts = urlsplit(house.database)
    yield urlunsplit(parts._replace(netloc=f"{name}:test@{parts.hostname}:{parts.port}"))
    await house.as_owner(f"drop role {name}")


def user_of(dsn: str) -> str:
    return str(urlsplit(dsn).username)


async def test_the_service_adds_to_what_is_append_only_and_can_do_nothing_else(
    house: House,
) -> None:
    months = await house.pool.fetch(TABLES)
    parts = [row["name"] for row in months if row["is_partition"] and "transfer" in row["name"]]
    assert len(parts) >= 3
    for table, column in (*APPEND_ONLY.items(), *((part, "amount") for part in parts)):
        for change in CHANGES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await house.pool.execute(change.format(table, column))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await house.pool.execute("alter table transfer disable trigger transfer_rows_stay")


async def test_both_roles_read_every_table_and_only_the_service_writes(house: House) -> None:
    tables = [row["name"] for row in await house.pool.fetch(TABLES) if not row["is_partition"]]
    async with await open_pool(house.database, size_max=1, role=Role.AUDITOR) as auditor:
        for table in tables:
            await house.pool.execute(f"select count(*) from {table}")
            await auditor.execute(f"select count(*) from {table}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await auditor.execute(f"delete from {table}")
        for secret in ("secret_sha256 from api_key", "* from api_key", "secret from webhook"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await auditor.execute(f"select {secret}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await auditor.execute("select make_months(now(), 1)")


async def test_a_member_of_the_auditors_alone_can_audit(house: House, login: str) -> None:
    with pytest.raises(Misconfigured, match="GRANT framemeter_auditor"):
        await open_pool(login, size_max=1, role=Role.AUDITOR)
    await house.as_owner(f"grant framemeter_auditor to {user_of(login)}")
    with pytest.raises(Misconfigured, match="GRANT framemeter_service"):
        await open_pool(login, size_max=1)
    async with await open_pool(login, size_max=1, role=Role.AUDITOR) as pool:
        report = await audit(pool, redis=None, kafka=None, topics=None)
    assert report.ok, report.checks


async def test_a_process_may_log_in_as_a_member_once_an_owner_has_migrated(
    house: House, login: str
) -> None:
    await house.as_owner(f"grant framemeter_service to {user_of(login)}")
    await migrate(login)
    async with await open_pool(login, size_max=1) as pool:
        for _ in range(2):  # what a borrower leaves behind is reset, and the role is still there
            assert await pool.fetchval("select current_user") == Role.SERVICE
        assert await pool.fetchval("select make_months(now(), 3)") == 0
        assert await pool.fetchval("select available from balance where account = $1", ACCOUNT)


async def test_a_user_who_may_not_migrate_is_told_who_may(house: House, login: str) -> None:
    with pytest.raises(Misconfigured, match="owner"):
        await migrate(login)
    await house.as_owner("revoke insert on transfer from framemeter_service")
    await migrate(house.database)
    assert await house.pool.fetchval("select has_table_privilege('transfer', 'insert')")
