"""Tells balances and alerts to the outside: topic `balances` from the tables, and Valkey.

The outbox makes Kafka complete: rows go when the broker has them. Alerts are marked then; each
account's are told in order, a repeat with the same id. Valkey holds nothing of its own: it is
filled whole at start, after any error, and when it was emptied (its sentinel key is gone).
Versions make repeats and disorder harmless. One relay works at a time.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from billing.alerts import alert_of
from billing.database import connected
from billing.leadership import leading
from billing.metrics import BillerMetrics
from billing.queries import sql
from wire import balances
from wire.balances import Balance
from wire.clock import Clock
from wire.cloudevents import STRUCTURED_HEADERS
from wire.errors import Retryable
from wire.kafka import Kafka, KafkaError
from wire.process import event_or_timeout, wait_or_stop

log = structlog.stdlib.get_logger("billing.relay")

RELAY_LOCK = 0x66726D6574726C79
ROWS_MAX = 1_000
POLL_S = 0.2
FOLLOW_S = 1.0
RETRY_S = 1.0
REDIS_TIMEOUT_S = 2.0
KAFKA_WAIT_S = 15.0
SENTINEL_KEY = "framemeter:balances"

Message = tuple[str, bytes]
"""A key and a value for the topic."""

_SET_IF_NEWER = """
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '-1')
if tonumber(ARGV[1]) > version then
    redis.call('HSET', KEYS[1], 'version', ARGV[1], 'available', ARGV[2],
               'held', ARGV[3], 'receivable', ARGV[4])
    return 1
end
return 0
"""


def balance_key(account: str) -> str:
    """Return the Valkey key of an account's balance: a hash of strings."""
    return f"framemeter:balance:{account}"


def open_redis(url: str) -> Redis:
    """Return a client of Valkey with bounded waits; it connects when it is used."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
    )


class BalanceMirror:
    """Valkey's copy of the balances."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._is_complete = False

    async def tell(self, news: Sequence[Balance], pool: "asyncpg.Pool[Any]") -> None:
        """Set the balances, or all of them when the copy may have gaps; never raise for Valkey."""
        try:
            if not self._is_complete or not await self._redis.exists(SENTINEL_KEY):
                await self._fill(pool)
            elif news:
                await self._set(news)
        except (RedisError, OSError, TimeoutError) as error:
            if self._is_complete:
                log.warning("Valkey is away; charging goes on without it", reason=str(error))
            self._is_complete = False

    async def _fill(self, pool: "asyncpg.Pool[Any]") -> None:
        async with connected(pool) as connection:
            rows = await connection.fetch(sql("accounts.all_balances"))
        await self._set([Balance(**row) for row in rows])
        await self._redis.set(SENTINEL_KEY, "filled")
        self._is_complete = True
        log.info("Valkey filled", accounts=len(rows))

    async def _set(self, news: Iterable[Balance]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for balance in news:
                pipeline.eval(
                    _SET_IF_NEWER,
                    1,
                    balance_key(balance.account),
                    str(balance.version),
                    str(balance.available),
                    str(balance.held),
                    str(balance.receivable),
                )
            await pipeline.execute()


class Relay:
    """Empties the outbox while it holds the advisory lock."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        redis: Redis,
        kafka: Kafka,
        topic: str,
        clock: Clock,
        metrics: BillerMetrics,
    ) -> None:
        self._pool = pool
        self._mirror = BalanceMirror(redis)
        self._kafka = kafka
        self._topic = topic
        self._clock = clock
        self._metrics = metrics

    async def run(self, stop: asyncio.Event, wake: asyncio.Event) -> None:
        """Relay until `stop`; `wake` says that there is news. Whatever is away is waited for."""
        while not stop.is_set():
            try:
                await self._lead(stop, wake)
            except Retryable as error:
                log.warning("balances are not told", reason=str(error))
                await wait_or_stop(stop, RETRY_S)

    async def _lead(self, stop: asyncio.Event, wake: asyncio.Event) -> None:
        async with leading(self._pool, RELAY_LOCK) as connection:
            if connection is None:
                await wait_or_stop(stop, FOLLOW_S)
            else:
                await self._relay(connection, stop, wake)

    async def _relay(self, connection: Any, stop: asyncio.Event, wake: asyncio.Event) -> None:
        producer = self._kafka.producer(client_id="framemeter-balances", linger_ms=5)
        try:
            await self._take(connection)  # Valkey need not wait for Kafka
            await _bounded(producer.start())
            while not stop.is_set():
                wake.clear()
                if await self._step(connection, producer) < ROWS_MAX:
                    await event_or_timeout(wake, POLL_S)
            await self._step(connection, producer)
        finally:
            await _stop_producer(producer)

    async def _step(self, connection: Any, producer: Any) -> int:
        """Tell what the tables hold; return how many rows of the fuller one that were.

        1. Take the oldest rows; keep the newest of each account.
        2. Tell Valkey, which may be away.
        3. Tell Kafka, and wait until it has them.
        4. Delete exactly the rows taken: others may have come with lower numbers.
        5. Do 1, 3 and 4 for alerts, of which each one is told, and kept.
        """
        numbers, newest = await self._take(connection)  # 1, 2
        if numbers:
            await self._publish(producer, [self._message(balance) for balance in newest])  # 3
            await connection.execute(sql("relay.told"), numbers)  # 4
            self._metrics.balances_told.inc(len(newest))
        return max(len(numbers), await self._tell_alerts(connection, producer))  # 5

    async def _tell_alerts(self, connection: Any, producer: Any) -> int:
        rows = await connection.fetch(sql("relay.take_alerts"), ROWS_MAX)
        if rows:
            await self._publish(producer, [_alert_message(row) for row in rows])
            numbers = [row["id"] for row in rows]
            await connection.execute(sql("relay.told_alerts"), numbers, self._clock.now())
            self._metrics.alerts_told.inc(len(rows))
        return len(rows)

    async def _take(self, connection: Any) -> tuple[list[int], list[Balance]]:
        rows = await connection.fetch(sql("relay.take"), ROWS_MAX)
        newest = list({row["account"]: _balance(row) for row in rows}.values())
        await self._mirror.tell(newest, self._pool)
        return [row["id"] for row in rows], newest

    def _message(self, balance: Balance) -> Message:
        return balance.account, balances.encode(balance, at=self._clock.now())

    async def _publish(self, producer: Any, news: Iterable[Message]) -> None:
        acks = [
            await _bounded(
                producer.send(
                    self._topic, key=key.encode(), value=value, headers=STRUCTURED_HEADERS
                )
            )
            for key, value in news
        ]
        await _bounded(asyncio.gather(*acks))


def _alert_message(row: Any) -> Message:
    alert = alert_of(row)
    return alert.key, balances.encode_alert(alert, at=row["at"])


def _balance(row: Any) -> Balance:
    return Balance(
        account=row["account"],
        version=row["version"],
        available=row["available"],
        held=row["held"],
        receivable=row["receivable"],
    )


async def _bounded(work: Any) -> Any:
    try:
        return await asyncio.wait_for(work, KAFKA_WAIT_S)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Retryable(f"Kafka does not answer: {error or type(error).__name__}") from error


async def _stop_producer(producer: Any) -> None:
    try:
        await _bounded(producer.stop())
    except Retryable as error:
        log.info("left Kafka without a word", reason=str(error))
