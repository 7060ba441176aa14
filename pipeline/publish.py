"""Frames onto their topic, through one idempotent producer that is replaced when it fails.

Promises: frames given to `enqueue` one after another are written in that order; an answered frame
is on the topic; every frame is answered within `ANSWER_WAIT_S_MAX`, if only with `Retryable`,
which means that nobody knows. A producer is replaced only when all that it still held is answered.
"""

import asyncio
from collections.abc import Awaitable

import structlog

from wire.errors import Retryable
from wire.frames import PICTURE_BYTES_MAX, Frame, Tier, encode_headers
from wire.kafka import AIOKafkaProducer, Kafka, KafkaError
from wire.producers import end_producer
from wire.topics import Topics

READY_WAIT_S = 2.0
ANSWER_WAIT_S_MAX = 30.0
"""An idempotent producer retries for ever; after this long the frames are of no use to anyone."""
REPLACE_WAIT_S = 2.0
"""How long a failed producer may still be answered for what it holds."""
STOP_WAIT_S = 0.75
START_WAIT_S_MAX = 15.0
RESTART_WAIT_S = 0.5
RESTART_WAIT_S_MAX = 5.0
log = structlog.stdlib.get_logger("pipeline.publish")


class FramePublisher:
    """Owns the producer of one process; shared by all its lines."""

    def __init__(self, kafka: Kafka, topics: Topics, *, client_id: str = "framemeter-frames"):
        self._kafka = kafka
        self._topics = topics
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._pending: set[asyncio.Future[object]] = set()
        self._replacing: asyncio.Task[None] | None = None
        self._stopped = False
        self._fault = f"Kafka at {kafka.bootstrap} does not answer"

    async def ready(self) -> None:
        """Wait a moment for a working producer; raise `Retryable` when there is none.

        Nothing was sent when this raises.
        """
        if self._producer is not None:
            return
        if self._stopped:
            raise Retryable("the publisher is stopped")
        if self._replacing is None:
            self._replacing = asyncio.create_task(self._replace(None))
        await asyncio.wait({self._replacing}, timeout=READY_WAIT_S)
        if self._producer is None:
            raise Retryable(self._fault)

    async def enqueue(self, frame: Frame) -> Awaitable[None]:
        """Put the frame in line and return its answer, to be awaited.

        Both raise `Retryable` when it is not known whether the frame was or will be written.
        """
        assert len(frame.picture) <= PICTURE_BYTES_MAX, len(frame.picture)
        producer = self._producer
        if producer is None:
            raise Retryable("Kafka went away just before the frame was sent")
        try:
            future = await producer.send(
                self._topics.frames(frame.tier),
                frame.picture,
                key=frame.stream.encode(),
                headers=encode_headers(frame),
            )
        except (KafkaError, OSError) as error:
            self._fail(producer, error)
            raise Retryable(f"frame {frame.id} could not be sent: {error!r}") from error
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return self._answer(frame, producer, future)

    async def send(self, frame: Frame) -> None:
        """Write one frame and wait for the broker's word; raise `Retryable` as `enqueue` does."""
        await self.ready()
        await (await self.enqueue(frame))

    async def stop(self) -> None:
        """Let what is under way be answered, for a bounded time, and close the producer."""
        self._stopped = True
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait({self._replacing})
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._discard(producer, STOP_WAIT_S)

    async def _answer(
        self, frame: Frame, producer: AIOKafkaProducer, future: "asyncio.Future[object]"
    ) -> None:
        await asyncio.wait({future}, timeout=ANSWER_WAIT_S_MAX)
        if not future.done():
            self._fail(producer, TimeoutError(f"no answer for {ANSWER_WAIT_S_MAX:.0f} s"))
            raise Retryable(f"frame {frame.id}: the broker did not answer")
        if future.cancelled():
            raise Retryable(f"frame {frame.id}: the producer was closed before an answer came")
        error = future.exception()
        if error is not None:
            self._fail(producer, error)
            raise Retryable(f"frame {frame.id} was not confirmed: {error!r}") from error

    def _fail(self, producer: AIOKafkaProducer, error: BaseException) -> None:
        """Replace the producer after any failure: its sequence numbers cannot be trusted."""
        if producer is not self._producer:
            return
        log.warning("the producer of frames failed and is being replaced", reason=repr(error))
        self._producer = None
        if not self._stopped:
            self._replacing = asyncio.create_task(self._replace(producer))

    async def _replace(self, old: AIOKafkaProducer | None) -> None:
        """1. End the old producer. 2. Answer all that it left. 3. Start a new one, for ever."""
        if old is not None:
            await self._discard(old, REPLACE_WAIT_S)
        wait_s = RESTART_WAIT_S
        while self._producer is None:
            producer = self._kafka.producer(client_id=self._client_id)
            try:
                self._producer = await self._started(producer)
            except (KafkaError, OSError, Retryable) as error:
                self._fault = f"Kafka at {self._kafka.bootstrap}: {error}"
                log.warning("waiting for Kafka", reason=self._fault)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, RESTART_WAIT_S_MAX)
        log.info("connected to Kafka", kafka=self._kafka.bootstrap)
        self._replacing = None

    async def _started(self, producer: AIOKafkaProducer) -> AIOKafkaProducer:
        """Start the producer and see that the topics are there; discard it if not."""
        try:
            async with asyncio.timeout(START_WAIT_S_MAX):
                await producer.start()
                for tier in Tier:
                    await _require(producer, self._topics.frames(tier))
        except BaseException:
            await self._discard(producer, STOP_WAIT_S)
            raise
        return producer

    async def _discard(self, producer: AIOKafkaProducer, wait_s: float) -> None:
        """Stop the producer within a few seconds, broker or no broker; answer what is left."""
        await end_producer(producer, stop_wait_s=wait_s)
        for future in list(self._pending):
            future.cancel()


async def _require(producer: AIOKafkaProducer, topic: str) -> None:
    """Raise `Retryable` when the topic is not there."""
    await producer.client.add_topic(topic)
    if not producer.client.cluster.partitions_for_topic(topic):
        raise Retryable(f"topic {topic} is not there: make it with `framemeter topics create`")
