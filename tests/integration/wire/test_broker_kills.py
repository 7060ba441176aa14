"""Lanes that commit without a pause while their only broker is killed: each transaction is whole.

Nearly every kill catches commits that are decided and not yet told, and the broker, when it comes
back, forgets to tell them (`wire.decided`).
"""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from tests.integration.wire.reading import committed, written
from tests.stack.running import RunningStack
from wire.decided import Decided
from wire.kafka import AIOKafkaConsumer, Kafka, TopicPartition
from wire.topics import Topics
from wire.transactions import Column, LaneProducer, Message

pytestmark = pytest.mark.integration
LANES = 12
KILLS = 2
WORK_S = 3.0
RETRY_S = 0.2


@pytest.fixture
async def topics(kafka: Kafka, topic_prefix: str) -> Topics:
    """All topics, with a partition for each lane."""
    made = Topics(prefix=topic_prefix, partitions=LANES)
    await kafka.create_topics(made.table())
    return made


class Worker:
    """One lane that numbers its transactions by the offset they commit."""

    def __init__(
        self, kafka: Kafka, topics: Topics, member: AIOKafkaConsumer, group: str, partition: int
    ) -> None:
        self.column = Column(
            group=group,
            source=TopicPartition(topics.frames_all[1], partition),
            outputs=((topics.detections, partition), (topics.usage, partition)),
        )
        self.commits = 0
        self._kafka = kafka
        self._member = member

    async def work(self, stop: asyncio.Event) -> None:
        """Commit until told to stop, with a new producer after any failure, as lanes do."""
        undelivered: Decided | None = None
        while not stop.is_set():
            lane = LaneProducer(
                self._kafka, self.column, broken=lambda reason: None, undelivered=undelivered
            )
            try:
                await lane.open()
                offset = await committed(self._member, self.column)
                await self._commit(lane, count(1 if offset is None else offset + 1), stop)
            except Exception:  # noqa: BLE001  (one cure for every failure)
                await asyncio.sleep(RETRY_S)
            finally:
                undelivered = lane.undelivered
                await lane.discard(gentle=False)

    async def _commit(
        self, lane: LaneProducer, numbers: Iterator[int], stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            number = next(numbers)
            value = str(number).encode()
            messages = [
                Message(topic=topic, partition=partition, key=None, value=value)
                for topic, partition in self.column.outputs
            ]
            async with asyncio.timeout(5.0):
                await lane.transact(messages, next_offset=number)
            self.commits += 1


@pytest.mark.timeout(180)
async def test_no_transaction_is_in_part_there_after_kills_of_the_only_broker(
    kafka: Kafka, topics: Topics, column: Column, member: AIOKafkaConsumer, stack: RunningStack
) -> None:
    workers = [Worker(kafka, topics, member, column.group, number) for number in range(LANES)]
    stop = asyncio.Event()
    working = asyncio.gather(*(worker.work(stop) for worker in workers))
    for _ in range(KILLS):
        await asyncio.sleep(WORK_S)
        await asyncio.to_thread(stack.kill, "kafka")
        await asyncio.to_thread(stack.restart, "kafka")
        before = [worker.commits for worker in workers]
        while any(it.commits == was for it, was in zip(workers, before, strict=True)):  # noqa: ASYNC110
            await asyncio.sleep(RETRY_S)
    stop.set()
    await working
    for worker in workers:
        lane = LaneProducer(kafka, worker.column, broken=lambda reason: None)
        await lane.open()
        offset = await committed(member, worker.column)
        await lane.discard(gentle=True)
        assert offset is not None
        numbers = [str(number).encode() for number in range(1, offset + 1)]
        for output in range(len(worker.column.outputs)):
            assert written(kafka, worker.column, output) == numbers, worker.column.outputs[output]
