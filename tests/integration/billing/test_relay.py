"""Balances told to Valkey and Kafka: complete, newest wins, refilled when emptied."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from billing.alerts import Alerts
from billing.audit import audit
from billing.relay import Relay, balance_key, open_redis
from tests.integration.billing.house import ACCOUNT, House
from tests.stack.running import RunningStack
from wire import balances
from wire.balances import BalanceAlert
from wire.clock import SystemClock
from wire.kafka import TopicPartition

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def relaying(house: House, redis: Redis) -> AsyncIterator[None]:
    stop, wake = asyncio.Event(), asyncio.Event()
    relay = Relay(
        house.pool, redis, house.kafka, house.topics.balances, SystemClock(), house.metrics
    )
    task = asyncio.create_task(relay.run(stop, wake))
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(redis_url)
    yield client
    await client.aclose()


async def until_told(house: House, redis: Redis) -> None:
    async def is_told() -> bool:
        version = await redis.hget(balance_key(ACCOUNT), "version")
        current = await house.accounts.balance(ACCOUNT)
        left = await house.pool.fetchval("select count(*) from outbox")
        return version == str(current.version) and left == 0

    await house.until(is_told)


async def test_valkey_and_the_topic_get_the_newest_balance(busy_house: House, redis: Redis) -> None:
    house = busy_house
    async with relaying(house, redis):
        await until_told(house, redis)
        await house.open(frames=10)
        await until_told(house, redis)
    assert await redis.hgetall(balance_key(ACCOUNT)) == {
        "version": "3",
        "available": "90000",
        "held": "10000",
        "receivable": "0",
    }
    reader = house.kafka.reader(client_id="test", from_start=True)
    async with reader:
        reader.assign([TopicPartition(house.topics.balances, 0)])
        news = []
        while not news or news[-1].version < 3:
            news.append(balances.decode((await reader.getone()).value))
    assert (news[-1].available, news[-1].held) == (90_000, 10_000)
    assert [each.version for each in news] == sorted(each.version for each in news)
    report = await audit(house.pool, redis=redis, kafka=None, topics=None)
    assert report.ok, report.checks


async def read_alerts(house: House, count: int) -> list[tuple[bytes, bytes]]:
    """Return the keys and values of the topic's first alerts, among its balances."""
    found: list[tuple[bytes, bytes]] = []
    async with house.kafka.reader(client_id="test", from_start=True) as reader:
        reader.assign([TopicPartition(house.topics.balances, 0)])
        while len(found) < count:
            record = await reader.getone()
            if isinstance(balances.decode_news(record.value), BalanceAlert):
                found.append((record.key, record.value))
    return found


async def test_alerts_are_told_in_order_beside_balances_and_a_repeat_is_the_same(
    busy_house: House, redis: Redis
) -> None:
    house = busy_house
    await Alerts(house.pool, SystemClock()).set_thresholds(ACCOUNT, [60_000, 30_000])
    for available in (50_000, 70_000, 10_000):
        await house.pool.execute("update balance set available = $1", available)

    async def is_told() -> bool:
        waiting = "select count(*) from alert_event where published_at is null"
        return await house.pool.fetchval(waiting) == 0

    async with relaying(house, redis):
        await house.until(is_told)
        # As after a death between the broker's answer and the mark.
        await house.pool.execute("update alert_event set published_at = null where id = 1")
        await house.until(is_told)
    told = await read_alerts(house, 4)
    alerts = [balances.decode_alert(value) for _, value in told]
    expected = [(60_000, 3), (60_000, 5), (30_000, 5), (60_000, 3)]
    assert [(alert.threshold, alert.version) for alert in alerts] == expected
    assert [key.decode() for key, _ in told] == [alert.key for alert in alerts]
    assert told[3] == told[0]


async def test_an_emptied_valkey_is_filled_again(busy_house: House, redis: Redis) -> None:
    house = busy_house
    async with relaying(house, redis):
        await until_told(house, redis)
        await redis.flushdb()
        await until_told(house, redis)


async def test_an_older_balance_never_replaces_a_newer_one(busy_house: House, redis: Redis) -> None:
    house = busy_house
    await redis.hset(balance_key(ACCOUNT), mapping={"version": "99", "available": "1"})
    async with relaying(house, redis):

        async def is_empty() -> bool:
            return await house.pool.fetchval("select count(*) from outbox") == 0

        await house.until(is_empty)
    assert await redis.hget(balance_key(ACCOUNT), "available") == "1"
    report = await audit(house.pool, redis=redis, kafka=None, topics=None)
    assert [check.name for check in report.checks if not check.ok] == ["Valkey = PostgreSQL"]


async def test_two_relays_take_turns(busy_house: House, redis: Redis) -> None:
    house = busy_house
    async with relaying(house, redis):
        async with relaying(house, redis):
            await until_told(house, redis)
        await house.accounts.top_up(ACCOUNT, 1, "more")
        await until_told(house, redis)


async def test_valkey_that_is_away_is_caught_up_with(
    busy_house: House, stack: RunningStack, redis: Redis
) -> None:
    house = busy_house
    async with relaying(house, redis):
        await until_told(house, redis)
        stack.pause("redis")
        try:
            await house.open(frames=10)

            async def is_published() -> bool:
                return await house.pool.fetchval("select count(*) from outbox") == 0

            await house.until(is_published)
        finally:
            stack.resume("redis")
        await until_told(house, redis)
