"""Compacted topics as tables: write one key, read the newest value of every key.

For tools that look once. A process that follows a table keeps a reader of its own.
"""

from wire.cloudevents import STRUCTURED_HEADERS
from wire.errors import Retryable
from wire.kafka import Kafka, KafkaError, TopicPartition

POLL_MS = 500


async def put(kafka: Kafka, topic: str, rows: dict[str, bytes | None]) -> None:
    """Write each row and wait for the broker; None removes a key. Raises `Retryable`."""
    producer = kafka.producer(client_id="framemeter-table")
    try:
        await producer.start()
        for key, value in rows.items():
            headers = STRUCTURED_HEADERS if value is not None else []
            await producer.send_and_wait(topic, value, key=key.encode(), headers=headers)
    except KafkaError as error:
        raise Retryable(f"cannot write to {topic} at {kafka.bootstrap}: {error}") from error
    finally:
        await producer.stop()


async def snapshot(kafka: Kafka, topic: str) -> dict[str, bytes]:
    """Return the newest value of every key as of now. Raises `Retryable`."""
    reader = kafka.reader(client_id="framemeter-table", from_start=True)
    rows: dict[str, bytes] = {}
    try:
        await reader.start()
        partitions = [
            TopicPartition(topic, number) for number in await kafka.partitions_of(reader, topic)
        ]
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        ends = await reader.end_offsets(partitions)
        for partition in partitions:
            while await reader.position(partition) < ends[partition]:
                batch = await reader.getmany(*partitions, timeout_ms=POLL_MS)
                for records in batch.values():
                    for record in records:
                        _apply(rows, record.key, record.value)
    except KafkaError as error:
        raise Retryable(f"cannot read {topic} at {kafka.bootstrap}: {error}") from error
    finally:
        await reader.stop()
    return rows


def _apply(rows: dict[str, bytes], key: bytes | None, value: bytes | None) -> None:
    if key is None:
        return
    if value is None:
        rows.pop(key.decode(errors="replace"), None)
    else:
        rows[key.decode(errors="replace")] = value
