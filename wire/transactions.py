"""The transactional producer of one lane: fence, scrub, transact, discard.

A lane is one input partition in the hands of one process. Its transactional id is the only
fence: whoever started a producer of that id last owns the partition. Nothing here retries or
tells one failure from another: after any exception the producer is discarded and a new one opened.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.conn import CloseReason

from wire.kafka import Kafka
from wire.producers import end_producer

OPEN_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 1.5
SCRUB_KEY = b"scrub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message that a transaction is to write."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a lane reads and every partition that it may ever write to."""

    group: str
    source: TopicPartition
    outputs: tuple[tuple[str, int], ...]

    @property
    def transactional_id(self) -> str:
        """The fence: one per group and input partition, the same in every process."""
        return f"{self.group}-{self.source.topic}-{self.source.partition}"


class LaneProducer:
    """One incarnation of a lane's producer; `broken` is called once if its connection is lost."""

    def __init__(self, kafka: Kafka, column: Column, *, broken: Callable[[str], object]) -> None:
        self._column = column
        self._producer: AIOKafkaProducer = kafka.transactional_producer(
            transactional_id=column.transactional_id
        )
        self._broken = broken
        self._connection_lost = False

    async def open(self) -> None:
        """Fence every older producer of this lane, then scrub what they may have left behind.

        1. Start: from here on no older owner can commit.
        2. Scrub: abort one transaction that touches everything this lane can touch. A broker that
           restarted may have forgotten the markers of the last transaction; the next commit of
           this producer id would then reveal its records.
        """
        self._watch()
        await asyncio.wait_for(self._open(), OPEN_TIMEOUT_S)

    async def transact(
        self,
        messages: Sequence[Message],
        *,
        next_offset: int,
        before_commit: Callable[[], None] = lambda: None,
    ) -> None:
        """Write the messages and the input offset in one transaction.

        1. Begin. 2. Send everything and the offset. 3. Look at every result: a failed send does
        not fail the transaction by itself. 4. Call `before_commit`, which may raise: from here on
        the broker itself bounds how long a commit can still take. 5. Commit.
        """
        producer = self._producer
        await producer.begin_transaction()
        writes = [await self._send(message) for message in messages]
        offsets = producer.send_offsets_to_transaction(
            {self._column.source: next_offset}, self._column.group
        )
        for result in await asyncio.gather(*writes, offsets, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        before_commit()
        await producer.commit_transaction()

    async def discard(self, *, gentle: bool) -> None:
        """Get rid of the producer within about three seconds, whatever state it is in.

        `gentle` stops it first, which ends an open transaction; it is skipped when the connection
        is known to be broken, because `stop()` waits for the broker.
        """
        stops = gentle and not self._connection_lost
        await end_producer(self._producer, stop_wait_s=STOP_TIMEOUT_S if stops else 0.0)

    async def _open(self) -> None:
        await self._producer.start()
        await self._scrub()

    async def _scrub(self) -> None:
        producer = self._producer
        await producer.begin_transaction()
        writes = [
            await producer.send(topic, b"{}", key=SCRUB_KEY, partition=partition)
            for topic, partition in self._column.outputs
        ]
        await asyncio.gather(
            *writes,
            producer.send_offsets_to_transaction({self._column.source: 0}, self._column.group),
        )
        await producer.abort_transaction()

    async def _send(self, message: Message) -> asyncio.Future[object]:
        assert (message.topic, message.partition) in self._column.outputs, message.topic
        future: asyncio.Future[object] = await self._producer.send(
            message.topic,
            message.value,
            key=message.key,
            partition=message.partition,
            headers=message.headers,
        )
        return future

    def _watch(self) -> None:
        """Report a lost connection: the broker may have restarted and forgotten markers."""
        client = self._producer.client
        usual = client._on_connection_closed

        def closed(connection: object, reason: CloseReason) -> None:
            usual(connection, reason)
            lost = reason in (CloseReason.CONNECTION_BROKEN, CloseReason.CONNECTION_TIMEOUT)
            if lost and not self._connection_lost:
                self._connection_lost = True
                self._broken(f"connection of the lane's producer: {reason.name}")

        client._on_connection_closed = closed
