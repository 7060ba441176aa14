"""Servers that are killed, paused, or cannot start."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from redis import Redis, RedisError

from cli.local.homes import home_for
from cli.local.ports import free_port
from cli.local.stack import LocalStack
from cli.local.state import read_ports, write_ports
from tests.stack.running import RunningStack
from wire.errors import Misconfigured

pytestmark = pytest.mark.integration
ONLY_POSTGRES = {"FRAMEMETER_KAFKA": "kafka.example:9092", "FRAMEMETER_REDIS": "redis://r.example"}
ONLY_REDIS = {"FRAMEMETER_KAFKA": "kafka.example:9092", "FRAMEMETER_POSTGRES": "postgresql://p"}
WRITTEN_WITHIN_MS = 5_000


@pytest.fixture
def crash(stack: RunningStack) -> Iterator[RunningStack]:
    """Give the shared stack to a test that kills; everything runs again afterwards."""
    yield stack
    if stack.local is not None:
        for service in stack.local.status():
            if service.state != "running":
                stack.restart(service.name)


def test_a_killed_broker_comes_back_with_its_records(
    crash: RunningStack, topic_prefix: str
) -> None:
    servers = {"bootstrap.servers": crash.kafka}
    topic = f"{topic_prefix}kept"
    admin = AdminClient(servers)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    producer = Producer(servers | {"message.max.bytes": 5_000_000})
    producer.produce(topic, b"picture" * 500_000)
    assert producer.flush(10) == 0
    crash.kill("kafka")
    crash.restart("kafka")
    consumer = Consumer(servers | {"group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    record = consumer.poll(30)
    consumer.close()
    assert record is not None and record.error() is None
    assert record.value() == b"picture" * 500_000


async def test_a_killed_database_comes_back_with_its_rows(
    crash: RunningStack, database: str
) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("create table kept as select generate_series(1, 1000) as n")
    crash.kill("postgres")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetch("select 1")
    crash.restart("postgres")
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("select count(*) from kept") == 1000
    await connection.close()


def test_a_killed_valkey_comes_back_with_its_keys(crash: RunningStack, redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        client.set("kept", "1")
        # It answers before the key is on disk, and may wait a second or two until it is.
        assert client.waitaof(1, 0, WRITTEN_WITHIN_MS)[0] == 1
    crash.kill("redis")
    with Redis.from_url(redis_url) as client, pytest.raises(RedisError):
        client.ping()
    crash.restart("redis")
    with Redis.from_url(redis_url) as client:
        assert client.get("kept") == b"1"


@pytest.mark.parametrize("name", ["kafka", "postgres", "redis"])
def test_a_paused_server_is_seen_as_paused_and_goes_on(crash: RunningStack, name: str) -> None:
    crash.pause(name)
    assert crash.local is not None
    states = {it.name: it.state for it in crash.local.status()}
    crash.resume(name)
    assert states[name] == "paused"
    assert [it.state for it in crash.local.status()] == ["running"] * 3


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    stack = LocalStack(folder, ONLY_POSTGRES)
    stack.start()
    stack.stop()
    (home_for(folder / "postgres") / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(Misconfigured, match=r"(?s)PostgreSQL stopped.*initialized by PostgreSQL v"):
        stack.start()
    assert stack.known_addresses() == {}


def test_a_server_that_hangs_is_replaced_by_the_next_start(folder: Path) -> None:
    stack = LocalStack(folder, ONLY_REDIS)
    stack.start()
    first = stack.status()[2].pid
    stack.pause("redis")
    began = time.monotonic()
    stack.start()
    assert time.monotonic() - began < 60
    assert stack.status()[2].state == "running"
    assert stack.status()[2].pid != first


def test_a_port_that_a_stranger_took_is_chosen_anew(folder: Path, stack: RunningStack) -> None:
    own = LocalStack(folder, ONLY_REDIS)
    folder.mkdir()
    taken = int(stack.redis.rpartition(":")[2].partition("/")[0])
    write_ports(folder, {"redis": taken, "postgres": free_port()})
    own.start()
    assert read_ports(folder)["redis"] != taken
    with pytest.raises(Misconfigured, match="in use by a stranger"):
        write_ports(folder, {"redis": taken})
        own.restart("redis")


def test_a_folder_removed_by_hand_starts_empty(folder: Path) -> None:
    stack = LocalStack(folder, ONLY_POSTGRES)
    first = stack.start()
    stack.stop()
    shutil.rmtree(folder)
    assert stack.start().postgres != first.postgres
