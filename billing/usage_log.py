"""Reads the topic `usage` from offset to offset, outside of any group, as an auditor or archivist.

The last records of a partition are markers of transactions, which no reader is handed: so the
position says when a partition is done, and where a transaction stays open, silence says so.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from wire.errors import Retryable
from wire.kafka import AIOKafkaConsumer, ConsumerRecord, Kafka, KafkaError, TopicPartition
from wire.topics import Topics

FETCH_WAIT_MS = 200
QUIET_ROUNDS = 5
"""Fetches that bring nothing before a partition counts as read."""
START_TIMEOUT_S = 30.0

Take = Callable[[ConsumerRecord], None]


class UsageLog:
    """All partitions of one `usage` topic, by number."""

    def __init__(self, reader: AIOKafkaConsumer, topics: Topics) -> None:
        self._reader = reader
        self._partitions = [
            TopicPartition(topics.usage, number) for number in range(topics.partitions)
        ]

    async def beginnings(self) -> dict[int, int]:
        """Return the first offset that is still there."""
        return _by_number(await self._reader.beginning_offsets(self._partitions))

    async def ends(self) -> dict[int, int]:
        """Return the offset behind the last record."""
        return _by_number(await self._reader.end_offsets(self._partitions))

    async def at(self, moment: datetime) -> dict[int, int]:
        """Return the first offset written at or after a moment; the end where there is none.

        A later moment never has a lower offset, so days made of these offsets leave no gap and
        overlap nowhere, however the clocks of those who write differ.
        """
        ends = await self.ends()
        wanted = dict.fromkeys(self._partitions, int(moment.timestamp() * 1_000))
        found = await self._reader.offsets_for_times(wanted)
        return ends | {
            partition.partition: place.offset
            for partition, place in found.items()
            if place is not None
        }

    async def read(
        self,
        starts: Mapping[int, int],
        ends: Mapping[int, int],
        take: Take,
        *,
        quiet_rounds_max: int = QUIET_ROUNDS,
    ) -> list[int]:
        """Hand over the records of `starts` <= offset < `ends`; return partitions not read whole.

        What is written meanwhile is left out, however much it is.
        """
        left = {each for each in self._partitions if starts[each.partition] < ends[each.partition]}
        self._reader.resume(*self._partitions)
        self._reader.pause(*(each for each in self._partitions if each not in left))
        for partition in left:
            self._reader.seek(partition, starts[partition.partition])
        quiet = 0
        while left and quiet < quiet_rounds_max:
            fetched = await self._reader.getmany(*left, timeout_ms=FETCH_WAIT_MS)
            quiet = 0 if fetched else quiet + 1
            for partition, records in fetched.items():
                for record in records:
                    if record.offset < ends[partition.partition]:
                        take(record)
            for partition in tuple(left):
                if await self._reader.position(partition) >= ends[partition.partition]:
                    left.discard(partition)
        return sorted(each.partition for each in left)


@asynccontextmanager
async def usage_log(kafka: Kafka, topics: Topics, *, client_id: str) -> AsyncIterator[UsageLog]:
    """Open the log; raise `Retryable` when Kafka is away."""
    reader = kafka.reader(client_id=client_id, from_start=True)
    try:
        await asyncio.wait_for(reader.start(), START_TIMEOUT_S)
        partitions = [TopicPartition(topics.usage, each) for each in range(topics.partitions)]
        reader.assign(partitions)
        for partition in partitions:
            # A seek that cuts the consumer's search for a start short leaves a connection behind.
            await asyncio.wait_for(reader.position(partition), START_TIMEOUT_S)
        yield UsageLog(reader, topics)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Retryable(f"Kafka does not answer: {error or type(error).__name__}") from error
    finally:
        await reader.stop()


def _by_number(offsets: Mapping[TopicPartition, int]) -> dict[int, int]:
    return {partition.partition: offset for partition, offset in offsets.items()}
