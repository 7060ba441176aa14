"""The fixtures that all integration tests stand on."""

import asyncpg
import pytest
from redis.asyncio import Redis

from cli.local import metadata
from tests.stack.running import RunningStack

pytestmark = pytest.mark.integration


def test_kafka_answers_with_its_own_address(stack: RunningStack) -> None:
    host, _, port = stack.kafka.rpartition(":")
    answer = metadata.parse_brokers(metadata.ask(host, int(port)))
    assert [number for _, number in answer] == [int(port)]


async def test_each_test_has_an_empty_database(database: str) -> None:
    connection = await asyncpg.connect(database)
    query = "select count(*) from pg_tables where schemaname = 'public'"
    assert await connection.fetchval(query) == 0
    await connection.execute("create table mine (id int)")
    await connection.close()


async def test_the_next_test_does_not_see_the_tables_of_the_last(database: str) -> None:
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("select to_regclass('mine')") is None
    await connection.close()


async def test_each_test_has_an_empty_valkey(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("mine", "1")


def test_prefixes_differ(topic_prefix: str, request: pytest.FixtureRequest) -> None:
    assert topic_prefix.endswith(".")
    assert topic_prefix.removesuffix(".").isalnum()
