"""A detector's stand-in: answers every frame at once, as the status it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.unit.gateway.detector_memory import answer
from wire import detections, frames, usage
from wire.cloudevents import STRUCTURED_HEADERS
from wire.frames import Frame
from wire.kafka import AIOKafkaProducer, ConsumerRecord, Kafka, TopicPartition
from wire.topics import Topics
from wire.usage import Status, UsageEvent


@dataclass(kw_only=True)
class Standin:
    """What it answers, and what it has seen."""

    kafka: Kafka
    topics: Topics
    status: Status = Status.DETECTED
    silent: bool = False
    seen: list[Frame] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Standin"]:
        """Answer in the background."""
        consumer = self.kafka.reader(client_id="standin", from_start=True)
        producer = self.kafka.producer(client_id="standin")
        await consumer.start()
        await producer.start()
        consumer.assign(
            [
                TopicPartition(name, number)
                for name in self.topics.frames_all
                for number in range(self.topics.partitions)
            ]
        )

        async def run() -> None:
            while True:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    for record in records:
                        await self._answer(record, producer)

        task = asyncio.create_task(run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await consumer.stop()
            await producer.stop()

    async def _answer(self, record: ConsumerRecord, producer: AIOKafkaProducer) -> None:
        frame = frames.decode(record.headers, record.value)
        self.seen.append(frame)
        if self.silent:
            return
        detection = answer(frame, self.status)
        event = UsageEvent(
            account=frame.account,
            stream=frame.stream,
            epoch=frame.epoch,
            first=frame.seq,
            last=frame.seq,
            status=self.status,
            model=frame.model,
            model_version=detection.model_version,
            height=frame.height,
            width=frame.width,
            captured_at=frame.captured_at,
        )
        place = {"key": frame.stream.encode(), "partition": record.partition}
        await producer.send_and_wait(
            self.topics.usage,
            usage.encode(event, at=detection.detected_at),
            headers=STRUCTURED_HEADERS,
            **place,
        )
        await producer.send_and_wait(
            self.topics.replies,
            detections.encode(detection),
            headers=[*STRUCTURED_HEADERS, ("reply", (frame.reply or "").encode())],
            **place,
        )
