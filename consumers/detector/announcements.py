"""Follows the compacted topic `models`: each message is a model's active version.

Promises that everything on the topic at the start has been told before `caught_up` is set, and
that a broker's absence only delays what is new.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from wire import models
from wire.errors import Rejected, Retryable
from wire.kafka import AIOKafkaConsumer, ConsumerRecord, Kafka, KafkaError, TopicPartition
from wire.models import ModelSpec
from wire.process import retry_until_stop

POLL_MS = 500
log = structlog.stdlib.get_logger("consumers.detector.announcements")


class Listener(Protocol):
    """Who is told."""

    def announce(self, spec: ModelSpec) -> None:
        """Take a model's active version."""
        ...

    def withdraw(self, model: str) -> None:
        """Take that a model is gone."""
        ...


async def follow_models(
    kafka: Kafka,
    topic: str,
    listener: Listener,
    *,
    caught_up: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Tell `listener` all that is and comes on the topic, until `stop`."""

    async def attempt() -> None:
        consumer = kafka.reader(client_id="framemeter-detector-models", from_start=True)
        try:
            await _follow(consumer, topic, listener, caught_up, stop)
        except (KafkaError, OSError) as error:
            raise Retryable(f"Kafka at {kafka.bootstrap}: {error}") from error
        finally:
            await consumer.stop()

    await retry_until_stop(attempt, stop=stop, what="topic of models")


async def _follow(
    consumer: AIOKafkaConsumer,
    topic: str,
    listener: Listener,
    caught_up: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    await consumer.start()
    if topic not in await consumer.topics():
        raise Retryable(f"topic {topic} does not exist: run `framemeter topics create`")
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    end = (await consumer.end_offsets([partition]))[partition]
    while not stop.is_set():
        if await consumer.position(partition) >= end:
            caught_up()
        batches = await consumer.getmany(timeout_ms=POLL_MS)
        for record in batches.get(partition, ()):
            _tell(record, listener)


def _tell(record: ConsumerRecord, listener: Listener) -> None:
    """Pass one message on; a broken one is logged and changes nothing."""
    try:
        if record.value is None:
            listener.withdraw((record.key or b"").decode())
        else:
            listener.announce(models.decode(record.value))
    except (Rejected, UnicodeDecodeError) as error:
        log.error("a broken model announcement", offset=record.offset, reason=str(error))
