"""Detections as they are committed, for whoever wants to act on them.

Only committed detections are seen, in order within each stream. What arrives may, after a
broker's crash, hold an id twice: who counts must look at `Detection.id`.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from wire.detections import Detection, decode
from wire.errors import Rejected, Retryable
from wire.kafka import AIOKafkaConsumer, Kafka, KafkaError, TopicPartition
from wire.topics import Topics

POLL_MS = 500
CLIENT_ID = "framemeter-subscriber"
log = structlog.stdlib.get_logger("consumers.subscribe")


@asynccontextmanager
async def subscribe(
    kafka: Kafka,
    topics: Topics,
    *,
    streams: Collection[str] | None = None,
    since: datetime | None = None,
) -> AsyncIterator[AsyncIterator[Detection]]:
    """Give an endless iterator over the detections of `streams` (None: of all).

    It begins with what is committed after entering, or with what was written at `since` or later.
    Raises `Retryable` when Kafka is away and `Misconfigured` when the topic does not exist.
    """
    reader = kafka.reader(client_id=CLIENT_ID)
    try:
        await reader.start()
        await _place(kafka, reader, topics.detections, since)
        yield _read(reader, None if streams is None else frozenset(streams))
    except (KafkaError, OSError) as error:
        raise Retryable(f"cannot read detections at {kafka.bootstrap}: {error}") from error
    finally:
        await reader.stop()


async def _place(
    kafka: Kafka, reader: AIOKafkaConsumer, topic: str, since: datetime | None
) -> None:
    """Take all partitions and settle where each begins, before anything else can be written."""
    numbers = await kafka.partitions_of(reader, topic)
    partitions = [TopicPartition(topic, number) for number in numbers]
    reader.assign(partitions)
    offsets = await reader.end_offsets(partitions)
    if since is not None:
        moment_ms = int(since.timestamp() * 1000)
        found = await reader.offsets_for_times(dict.fromkeys(partitions, moment_ms))
        offsets |= {partition: at.offset for partition, at in found.items() if at is not None}
    for partition, offset in offsets.items():
        reader.seek(partition, offset)


async def _read(
    reader: AIOKafkaConsumer, streams: frozenset[str] | None
) -> AsyncIterator[Detection]:
    while True:
        for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                try:
                    detection = decode(record.value)
                except Rejected as error:
                    log.error("not a detection", offset=record.offset, reason=str(error))
                    continue
                if streams is None or detection.stream in streams:
                    yield detection
