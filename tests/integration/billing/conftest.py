"""The ledger that billing's integration tests share the shape of: new for each test."""

from collections.abc import AsyncIterator

import pytest

from billing.accounts import Accounts
from billing.catalog import Catalog
from billing.database import migrate, open_pool
from billing.janitor import Expiry
from billing.sessions import Sessions
from tests.integration.billing.house import ACCOUNT, MODEL, House
from tests.stack.running import RunningStack
from wire.clock import SystemClock
from wire.kafka import Kafka
from wire.topics import Topics

TOKENS = 100


@pytest.fixture
async def house(stack: RunningStack, database: str, topic_prefix: str) -> AsyncIterator[House]:
    """Give a house whose account has 100 tokens."""
    await migrate(database)
    clock = SystemClock()
    async with await open_pool(database, size_max=8) as pool:
        accounts = Accounts(pool, clock)
        await accounts.create(ACCOUNT)
        await accounts.top_up(ACCOUNT, TOKENS * 1_000, "first")
        await Catalog(pool, clock).register(MODEL)
        yield House(
            database=database,
            pool=pool,
            kafka=Kafka(bootstrap=stack.kafka),
            topics=Topics(prefix=topic_prefix, partitions=2),
            accounts=accounts,
            sessions=Sessions(pool, clock, 60.0, expiry=Expiry(frame_age_s=5.0, slack_s=1.0)),
        )


@pytest.fixture
async def busy_house(house: House) -> House:
    """Give a house with its topics made, for tests with a biller."""
    await house.kafka.create_topics(house.topics.table())
    return house
