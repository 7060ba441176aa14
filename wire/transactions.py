"""The transactional producer of one lane: fence, mend, scrub, transact, discard.

A lane is one input partition in the hands of one process. Its transactional id is the only
fence: whoever started a producer of that id last owns the partition. Nothing here retries or
tells one failure from another: after any exception the producer is discarded and a new one opened.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.conn import CloseReason

from wire.decided import Decided, commit_due, commit_nothing, last_decided
from wire.errors import Retryable
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
    """One incarnation of a lane's producer; `broken` is called once if its connection is lost.

    `undelivered` is what the incarnation before it left there when it could not be opened: a
    commit that may hang in some partitions.
    """

    def __init__(
        self,
        kafka: Kafka,
        column: Column,
        *,
        broken: Callable[[str], object],
        undelivered: Decided | None = None,
    ) -> None:
        self.undelivered = undelivered
        self._column = column
        self._producer: AIOKafkaProducer = kafka.transactional_producer(
            transactional_id=column.transactional_id
        )
        self._broken = broken
        self._connection_lost = False

    async def open(self) -> None:
        """Fence every older producer of this lane, then end what they may have left behind.

        A broker that restarted may have forgotten the markers of the last transaction, all of them
        or some: the next marker of this producer id then decides its records, too.

        1. Ask the coordinator how the last transaction was decided: the next step hides it.
        2. Start: from here on no older owner can commit.
        3. Mend: if it was a commit, commit once more, adding nothing. Only the very next producer
           may: after another one, something else may hang.
        4. Scrub: abort one transaction that touches everything this lane can touch.
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
        client = self._producer.client
        await client.bootstrap()
        decided = await last_decided(client, self._column.transactional_id)
        self.undelivered = commit_due(decided, self.undelivered)
        await self._producer._sender.start()  # with bootstrap(), this is all that start() does
        await self._mend()
        await self._scrub()

    async def _mend(self) -> None:
        """Tell an undelivered commit once more, to all that the lane can touch."""
        manager = self._producer._txn_manager
        producer = (manager.producer_id, manager.producer_epoch)
        if self.undelivered is not None and self.undelivered.precedes(*producer):
            if self._connection_lost:
                raise Retryable("the broker was lost while a lane was opened")
            await commit_nothing(
                self._producer.client,
                self._column.transactional_id,
                producer,
                outputs=self._column.outputs,
                group=self._column.group,
            )
        self.undelivered = None

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
