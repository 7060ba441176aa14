"""Which Kafka, PostgreSQL and Valkey a command talks to.

What the environment says is used; for the rest the local stack in the data folder, when it runs.
Commands and the processes that they start then read the same `FRAMEMETER_*` variables.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from billing.database import Role, open_pool
from billing.settings import BillingSettings
from cli.local.stack import LocalStack
from wire.clock import Clock, SystemClock
from wire.kafka import Kafka
from wire.settings import WireSettings
from wire.topics import Topics

DEFAULT_FOLDER = Path(".framemeter")
POOL_SIZE = 4


def adopt_local_stack(folder: Path) -> None:
    """Let the environment name the local stack of `folder` where it names nothing itself."""
    for name, value in LocalStack(folder).known_addresses().items():
        os.environ.setdefault(name, value)


def configured_addresses() -> dict[str, str]:
    """Return the addresses of services that the environment names."""
    names = ("FRAMEMETER_KAFKA", "FRAMEMETER_POSTGRES", "FRAMEMETER_REDIS")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a command needs to reach the parts of one deployment."""

    kafka: Kafka
    topics: Topics
    postgres: str
    redis: str
    clock: Clock


def deployment() -> Deployment:
    """Return the deployment that the environment names."""
    wire = WireSettings()
    billing = BillingSettings()
    return Deployment(
        kafka=Kafka.of(wire),
        topics=wire.topics(),
        postgres=billing.postgres.get_secret_value(),
        redis=billing.redis.get_secret_value(),
        clock=SystemClock(),
    )


@asynccontextmanager
async def database(target: Deployment, *, role: Role = Role.SERVICE) -> AsyncIterator[asyncpg.Pool]:
    """Open the ledger's database for one command, as `role`. Raises `Retryable` when it is away."""
    pool = await open_pool(target.postgres, size_max=POOL_SIZE, role=role)
    try:
        yield pool
    finally:
        await pool.close()
