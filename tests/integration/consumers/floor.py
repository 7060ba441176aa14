"""A shop floor for the detector's tests: topics, processes, frames in, messages out.

What comes out is read with confluent-kafka, by a client that knows nothing of ours.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka
from confluent_kafka import TopicPartition

from tests.unit.consumers.detector.made import FRAME, frame, picture
from wire import detections, usage
from wire.compacted import put
from wire.detections import Detection
from wire.frames import Frame, encode_headers
from wire.kafka import Kafka
from wire.models import ModelSpec, encode
from wire.topics import Topics
from wire.usage import UsageEvent

PARTITIONS = 4
WAIT_S = 40.0
PICTURES = tuple(picture(number) for number in range(8))
SPEC = ModelSpec(model="park-n", version="v1", source="park-n.xml", size_class="n")


@dataclass(kw_only=True)
class Floor:
    """One deployment of topics, its detectors, and a producer of frames."""

    kafka: Kafka
    topics: Topics
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "message.timeout.ms": 600_000,
                "reconnect.backoff.max.ms": 500,
            }
        )

    async def prepare(self, *specs: ModelSpec) -> None:
        """Make the topics and announce models."""
        await self.kafka.create_topics(self.topics.table())
        await self.announce(*specs)

    async def announce(self, *specs: ModelSpec) -> None:
        """Make these the active versions."""
        now = datetime.now(UTC)
        await put(
            self.kafka, self.topics.models, {spec.model: encode(spec, at=now) for spec in specs}
        )

    def start(
        self,
        name: str = "detector",
        *,
        engine: str = "fake:1-5",
        module: str = "consumers.detector",
        **more: str,
    ) -> None:
        """Start a detector process."""
        environment = {
            "FRAMEMETER_KAFKA": self.kafka.bootstrap,
            "FRAMEMETER_TOPIC_PREFIX": self.topics.prefix,
            "FRAMEMETER_PARTITIONS": str(self.topics.partitions),
            "FRAMEMETER_ENGINE": engine,
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", module],
                env=os.environ | environment | more,
                stdout=log,
                stderr=log,
            )

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a detector."""
        self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        """SIGKILL a detector and forget it."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """SIGTERM a detector; return its exit code."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(timeout=20)

    def close(self) -> None:
        """Leave nothing running."""
        for name in list(self.processes):
            self.kill(name)

    def log(self, name: str = "detector") -> str:
        """Return what a detector has said."""
        return (self.folder / f"{name}.log").read_text()

    def send(self, *frames: Frame) -> None:
        """Publish frames as they are."""
        for made in frames:
            self.send_raw(made.picture, encode_headers(made), made)
        self.producer.poll(0)

    def send_raw(self, value: bytes | None, headers: object, made: Frame = FRAME) -> None:
        """Publish a message with the topic and key of `made`."""
        topic = self.topics.frames(made.tier)
        self.producer.produce(topic, value, key=made.stream, headers=headers)

    def flush(self) -> None:
        """Wait until all frames are written."""
        assert self.producer.flush(60) == 0

    def read(self, topic: str) -> list[confluent_kafka.Message]:
        """Return all committed messages of a topic as of now."""
        reader = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "group.id": "reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        try:
            numbers = reader.list_topics(topic, 20).topics[topic].partitions
            reader.assign([TopicPartition(topic, number, 0) for number in numbers])
            return list(_until_ends(reader, len(numbers)))
        finally:
            reader.close()

    def detections(self) -> list[Detection]:
        """Return all committed detections."""
        return [detections.decode(message.value()) for message in self.read(self.topics.detections)]

    def usage(self) -> list[UsageEvent]:
        """Return all committed usage events."""
        return [usage.decode(message.value()) for message in self.read(self.topics.usage)]

    async def detected(self, count: int, *, wait_s: float = WAIT_S) -> list[Detection]:
        """Return the detections once there are `count`; fail with the log when they do not come."""
        found: list[Detection] = []

        def enough() -> bool:
            found[:] = self.detections()
            return len(found) >= count

        await self.until(enough, wait_s=wait_s, what=f"{count} detections")
        return found

    async def until(self, true: Callable[[], bool], *, wait_s: float = WAIT_S, what: str) -> None:
        """Wait until `true` is; fail with the log of the detectors otherwise."""
        end = time.monotonic() + wait_s
        while not await asyncio.to_thread(true):
            logs = "\n".join(self.log(name)[-2000:] for name in self.processes)
            assert time.monotonic() < end, f"waited {wait_s} s for {what}\n{logs}"
            await asyncio.sleep(0.3)


def now_frame(seq: int, *, stream: str = "gate", **changes: object) -> Frame:
    """Return a frame captured now."""
    usual: dict[str, object] = {
        "captured_at": datetime.now(UTC),
        "max_age_ms": 600_000,
        "picture": PICTURES[seq % len(PICTURES)],
    }
    return frame(seq, stream=stream, **(usual | changes))


def used(events: Iterable[UsageEvent]) -> Counter[str]:
    """Return how often each frame id is in the usage."""
    return Counter(
        f"{event.stream}/{event.epoch}/{seq}"
        for event in events
        for seq in range(event.first, event.last + 1)
    )


def _until_ends(
    reader: confluent_kafka.Consumer, partitions: int
) -> Iterable[confluent_kafka.Message]:
    ends = 0
    while ends < partitions:
        message = reader.poll(20)
        assert message is not None, "the broker does not answer"
        if message.error() is None:
            yield message
        else:
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
            ends += 1
