"""PostgreSQL: schema migrations, the pool and its role, and one way to run a transaction.

Pools act as `Role.SERVICE`, which cannot change what is append-only, whoever logged in.
`in_transaction` promises that its work runs whole or not at all, that deadlocks and
serialisation failures are tried again, and that a database that is away shows as `Retryable`.
After a `Retryable` it is not known whether the work was committed: callers' work is repeatable.
A task that is cancelled ends as cancelled, whatever its connection says about that.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from wire.errors import Misconfigured, Retryable

if TYPE_CHECKING:
    from sqlalchemy import Connection as SyncConnection

T = TypeVar("T")
Connection = asyncpg.pool.PoolConnectionProxy

CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0
ATTEMPTS_MAX = 8
"""How often a transaction is tried when others stand in its way."""
ATTEMPT_WAIT_S = 0.02

_ALEMBIC = threading.Lock()
"""Alembic's context is one for the whole process, so only one thread may migrate at a time."""

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that broke in the middle of something
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OperatorInterventionError,
    asyncpg.QueryCanceledError,
)
_IN_THE_WAY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_MISTAKEN = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


class Role(StrEnum):
    """What a pool acts as; the migrations make both, and whoever logs in must be a member."""

    SERVICE = "framemeter_service"
    AUDITOR = "framemeter_auditor"


async def migrate(dsn: str) -> None:
    """Bring the schema, the roles and their grants up to date; concurrent callers take turns.

    Raises `Retryable` when the server is away and `Misconfigured` when it refuses the DSN or when
    its user may not do what there is to do.
    """
    try:
        async with _named_errors():
            await asyncio.to_thread(_migrate_here, dsn)
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(
            f"the user of FRAMEMETER_POSTGRES may not migrate ({error}): start a biller once as the"
            " owner of the tables, a user who may create roles; after that, processes may log in"
            f" as any member of {Role.SERVICE}"
        ) from error


def _migrate_here(dsn: str) -> None:
    with _ALEMBIC:
        asyncio.run(_migrate(dsn))


async def _migrate(dsn: str) -> None:
    # Imported here: it takes a second, which only who migrates should wait for.
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    # Connected here, so that a refusal is asyncpg's own error and not wrapped in SQLAlchemy's.
    opened = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)

    async def give() -> "asyncpg.Connection[Any]":
        return opened

    engine = create_async_engine("postgresql+asyncpg://", poolclass=NullPool, async_creator=give)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig else None
        raise (cause or error) from error
    finally:
        await engine.dispose()


def _upgrade(connection: "SyncConnection") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def open_pool(
    dsn: str, *, size_max: int, role: Role | None = Role.SERVICE
) -> "asyncpg.Pool[Any]":
    """Return a pool of at most `size_max` connections, times in UTC, that acts as `role`.

    No role: as the user who logs in. The role belongs to the connection's start, so the pool's
    reset between borrowers keeps it. Raises `Retryable` when the server is away and
    `Misconfigured` when it refuses the DSN or the role.
    """
    settings = {"timezone": "UTC", "application_name": "framemeter"}
    try:
        async with _named_errors():
            return await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size_max,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings=settings | ({"role": role.value} if role else {}),
            )
    except asyncpg.InvalidParameterValueError as error:
        raise Misconfigured(
            f"PostgreSQL has no role {role} yet: run the migrations, by starting a biller"
            " once as the owner of the tables, a user who may create roles"
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(
            f"the user of FRAMEMETER_POSTGRES may not act as {role}: GRANT {role} TO that user"
        ) from error


@asynccontextmanager
async def connected(pool: "asyncpg.Pool[Any]") -> AsyncIterator[Any]:
    """Lend a connection; raise `Retryable` when the server is away."""
    async with _named_errors(), pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
        yield connection


async def in_transaction(pool: "asyncpg.Pool[Any]", work: Callable[[Any], Awaitable[T]]) -> T:
    """Run `work(connection)` in one transaction and return what it returns."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            async with connected(pool) as connection, connection.transaction():
                return await work(connection)
        except _IN_THE_WAY as error:
            if attempt == ATTEMPTS_MAX:
                raise Retryable(f"the database is contended: {error}") from error
        await asyncio.sleep(ATTEMPT_WAIT_S * attempt)
    raise AssertionError("the last attempt returns or raises")


@asynccontextmanager
async def _named_errors() -> AsyncIterator[None]:
    try:
        yield
    except _MISTAKEN as error:
        raise Misconfigured(f"PostgreSQL refuses FRAMEMETER_POSTGRES: {error}") from error
    except _AWAY as error:
        if isinstance(error, ValueError):  # the driver's word for an argument that cannot be
            raise
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # A rollback or a release behind the cancellation failed, and its error hides that one.
            raise asyncio.CancelledError from error
        raise Retryable(f"PostgreSQL does not answer: {error or type(error).__name__}") from error
