"""Follows the compacted topic `models`: each message is a model's active version.

Promises that everything on the topic at the start has been told before `caught_up` is set, and
that a broker's absence only delays what is new. What the listener has to report, that a version
does not run here, is written to the same topic; a report that cannot be written is left to the log.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from wire import models
from wire.compacted import put
from wire.errors import Rejected, Retryable
from wire.kafka import AIOKafkaConsumer, ConsumerRecord, Kafka, KafkaError, TopicPartition
from wire.model_failures import is_failure
from wire.models import ModelSpec
from wire.process import retry_until_stop

POLL_MS = 500
REPORT_S = 1.0
log = structlog.stdlib.get_logger("consumers.detector.announcements")


class Listener(Protocol):
    """Who is told."""

    def announce(self, spec: ModelSpec) -> None:
        """Take a model's active version."""
        ...

    def withdraw(self, model: str) -> None:
        """Take that a model is gone."""
        ...

    def take_reports(self) -> dict[str, bytes | None]:
        """Return rows for the topic that were not returned before."""
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
        reporting = asyncio.create_task(_report(kafka, topic, listener))
        try:
            await _follow(consumer, topic, listener, caught_up, stop)
        except (KafkaError, OSError) as error:
            raise Retryable(f"Kafka at {kafka.bootstrap}: {error}") from error
        finally:
            reporting.cancel()
            await asyncio.gather(consumer.stop(), reporting, return_exceptions=True)

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


async def _report(kafka: Kafka, topic: str, listener: Listener) -> None:
    """Write what the listener has to report, until cancelled."""
    while True:
        await asyncio.sleep(REPORT_S)
        rows = listener.take_reports()
        if not rows:
            continue
        try:
            await put(kafka, topic, rows)
        except (Retryable, OSError) as error:
            log.warning("a model's failure is not told", models=sorted(rows), reason=str(error))


def _tell(record: ConsumerRecord, listener: Listener) -> None:
    """Pass one message on; a broken one is logged and changes nothing."""
    try:
        key = (record.key or b"").decode()
        if is_failure(key):
            return
        if record.value is None:
            listener.withdraw(key)
        else:
            listener.announce(models.decode(record.value))
    except (Rejected, UnicodeDecodeError) as error:
        log.error("a broken model announcement", offset=record.offset, reason=str(error))
