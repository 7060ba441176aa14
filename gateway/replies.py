"""Reads the topic `replies` and hands each answer to the request that waits for it.

Every replica reads all partitions, from their ends at its start, and keeps what carries its own
name. An answer may come before its request asks for it: it is kept, as are late ones, in a
bounded store. A broker that goes away is waited for; after it the reader goes on where it was.
"""

import asyncio
import contextlib
from collections import OrderedDict

import structlog

from wire import detections
from wire.detections import Detection
from wire.errors import Rejected, Retryable
from wire.kafka import AIOKafkaConsumer, ConsumerRecord, Kafka, KafkaError, TopicPartition

REPLY_HEADER = "reply"
UNCLAIMED_MAX = 2_000
POLL_MS = 500
RECORDS_MAX = 500
RETRY_WAIT_S = 0.5
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0

log = structlog.stdlib.get_logger("gateway.replies")


class Mailbox:
    """Answers by frame id: waited for, or not asked for yet. No IO."""

    def __init__(self, *, unclaimed_max: int = UNCLAIMED_MAX) -> None:
        self._unclaimed_max = unclaimed_max
        self._waiting: dict[str, asyncio.Future[Detection]] = {}
        self._unclaimed: OrderedDict[str, Detection] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def put(self, detection: Detection) -> None:
        """Give an answer to whoever waits for it, or keep it for who may."""
        future = self._waiting.get(detection.id)
        if future is not None:
            if not future.done():
                future.set_result(detection)
            return
        self._unclaimed[detection.id] = detection
        while len(self._unclaimed) > self._unclaimed_max:
            self._unclaimed.popitem(last=False)

    async def take(self, frame_id: str, *, timeout_s: float) -> Detection:
        """Return the answer for a frame; raise `TimeoutError` when none comes in time.

        One caller at a time may wait for a frame.
        """
        early = self._unclaimed.pop(frame_id, None)
        if early is not None:
            return early
        assert frame_id not in self._waiting
        future: asyncio.Future[Detection] = asyncio.get_running_loop().create_future()
        self._waiting[frame_id] = future
        try:
            return await asyncio.wait_for(future, timeout_s)
        finally:
            del self._waiting[frame_id]


class Replies:
    """The reader of one replica."""

    def __init__(
        self, kafka: Kafka, *, topic: str, partitions: int, replica: str, mailbox: Mailbox
    ) -> None:
        self._kafka = kafka
        self._assignment = [TopicPartition(topic, number) for number in range(partitions)]
        self._topic = topic
        self._replica = replica.encode()
        self._mailbox = mailbox
        self._positions: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Stand at the end of every partition, then read on in the background.

        Raises `Retryable` when Kafka or the topic is away. A second call does nothing.
        """
        if self._task is not None:
            return
        self._consumer = await self._open()
        self._task = asyncio.create_task(self._run(), name="replies")

    async def stop(self) -> None:
        """Stop reading."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._drop()

    async def check(self) -> None:
        """Raise `Retryable` when the reader does not run or the broker does not answer."""
        consumer = self._consumer
        if consumer is None or self._task is None or self._task.done():
            raise Retryable("the reader of replies is not connected")
        try:
            names = await consumer.topics()
        except (KafkaError, OSError) as error:
            raise Retryable(f"Kafka does not answer: {error!r}") from error
        if self._topic not in names:
            raise Retryable(f"topic {self._topic} is not there: run `framemeter topics create`")

    async def _open(self) -> AIOKafkaConsumer:
        """Return a reader that stands where the last one stood, or at the ends."""
        consumer = self._kafka.reader(client_id=f"gateway-{self._replica.decode()}-replies")
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await consumer.start()
                if self._topic not in await consumer.topics():
                    raise Retryable(
                        f"topic {self._topic} is not there: run `framemeter topics create`"
                    )
                consumer.assign(self._assignment)
                if not self._positions:
                    self._positions = await consumer.end_offsets(self._assignment)
                for partition, offset in self._positions.items():
                    consumer.seek(partition, offset)
        except (KafkaError, OSError, TimeoutError) as error:
            await _close(consumer)
            raise Retryable(f"Kafka does not answer: {error!r}") from error
        except (Retryable, asyncio.CancelledError):
            await _close(consumer)
            raise
        return consumer

    async def _run(self) -> None:
        while True:
            try:
                if self._consumer is None:
                    self._consumer = await self._open()
                await self._read(self._consumer)
            except (KafkaError, OSError, Retryable) as error:
                log.warning("the reader of replies starts anew", reason=str(error))
                await self._drop()
                await asyncio.sleep(RETRY_WAIT_S)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
            for partition, records in batches.items():
                for record in records:
                    self._deliver(record)
                    self._positions[partition] = record.offset + 1

    def _deliver(self, record: ConsumerRecord) -> None:
        if not any(key == REPLY_HEADER and value == self._replica for key, value in record.headers):
            return
        try:
            self._mailbox.put(detections.decode(record.value))
        except Rejected as error:
            log.warning("a reply cannot be read", offset=record.offset, reason=str(error))

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await _close(consumer)


async def _close(consumer: AIOKafkaConsumer) -> None:
    try:
        await asyncio.wait_for(consumer.stop(), STOP_TIMEOUT_S)
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("a reader did not stop cleanly", reason=repr(error))
