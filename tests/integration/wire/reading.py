"""What the outside sees of a lane: its committed offset, and what it wrote."""

import confluent_kafka

from wire.kafka import AIOKafkaConsumer, Kafka
from wire.stable_offsets import committed_offset
from wire.transactions import Column


async def committed(member: AIOKafkaConsumer, column: Column) -> int | None:
    """Return the lane's stable committed offset."""
    return await committed_offset(member, group=column.group, partition=column.source, timeout_s=10)


def written(kafka: Kafka, column: Column, output: int = 0) -> list[bytes]:
    """Return what a read_committed client sees in one of the outputs."""
    reader = confluent_kafka.Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    values = []
    try:
        reader.assign([confluent_kafka.TopicPartition(*column.outputs[output], 0)])
        while (found := reader.poll(20)) is not None and found.error() is None:
            values.append(found.value())
    finally:
        reader.close()
    return values
