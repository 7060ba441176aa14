"""The three kinds of stack: our own processes, containers, or what runs elsewhere already."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
from redis import Redis, RedisError

from cli.local.stack import LocalStack
from tests.stack.running import RunningStack, Unavailable
from wire.errors import FramemeterError

KAFKA_IMAGE = "confluentinc/cp-kafka:8.1.0"
POSTGRES_IMAGE = "postgres:18"
REDIS_IMAGE = "valkey/valkey:9"
KAFKA_SETTINGS = {
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_MESSAGE_MAX_BYTES": "5242880",
    "KAFKA_REPLICA_FETCH_MAX_BYTES": "5242880",
    "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
}
CONTAINER_TIMEOUT_S = 90
ANSWER_TIMEOUT_S = 3.0


@contextmanager
def local(folder: Path) -> Iterator[RunningStack]:
    """Run our own processes in `folder`; they end with this process, whatever happens."""
    stack = LocalStack(folder, die_with_parent=True)
    try:
        try:
            addresses = stack.start()
        except FramemeterError as error:
            raise Unavailable(str(error)) from error
        yield RunningStack(
            kind="local",
            kafka=addresses.kafka,
            postgres=addresses.postgres,
            redis=addresses.redis,
            local=stack,
        )
    finally:
        stack.erase()


@contextmanager
def containers() -> Iterator[RunningStack]:
    """Run the three in containers of the local Docker."""
    from docker.errors import DockerException
    from testcontainers.community.kafka import KafkaContainer
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.community.redis import RedisContainer

    with ExitStack() as running:
        try:
            kafka = KafkaContainer(KAFKA_IMAGE).with_kraft()
            for name, value in KAFKA_SETTINGS.items():
                kafka.with_env(name, value)
            running.callback(kafka.stop)
            kafka.start(timeout=CONTAINER_TIMEOUT_S)
            postgres = PostgresContainer(POSTGRES_IMAGE, driver=None)
            running.enter_context(postgres.with_command("postgres -c max_connections=200"))
            redis = running.enter_context(RedisContainer(REDIS_IMAGE))
        except (DockerException, OSError, TimeoutError) as error:
            raise Unavailable(f"containers cannot run here: {error}") from error
        yield RunningStack(
            kind="containers",
            kafka=kafka.get_bootstrap_server(),
            postgres=postgres.get_connection_url(),
            redis=f"redis://{redis.get_container_host_ip()}:{redis.get_exposed_port(6379)}/0",
        )


@contextmanager
def external(environment: Mapping[str, str]) -> Iterator[RunningStack]:
    """Use the services that the environment names."""
    names = ("FRAMEMETER_KAFKA", "FRAMEMETER_POSTGRES", "FRAMEMETER_REDIS")
    if missing := [name for name in names if not environment.get(name)]:
        raise Unavailable(f"FRAMEMETER_TEST_STACK=external needs {', '.join(missing)}")
    kafka, postgres, redis = (environment[name] for name in names)
    try:
        host, _, port = kafka.partition(",")[0].rpartition(":")
        socket.create_connection((host, int(port)), ANSWER_TIMEOUT_S).close()
        with Redis.from_url(redis, socket_connect_timeout=ANSWER_TIMEOUT_S) as client:
            client.ping()
        asyncio.run(_connect(postgres))
    except (OSError, ValueError, RedisError, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable(f"a configured service does not answer: {error}") from error
    yield RunningStack(kind="external", kafka=kafka, postgres=postgres, redis=redis)


async def _connect(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=ANSWER_TIMEOUT_S)
    await connection.close()
