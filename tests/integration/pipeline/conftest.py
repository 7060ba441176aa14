"""A fleet on real Kafka, with sessions in memory and footage that is really decoded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from pipeline.camera import Studio
from pipeline.fleet import Fleet
from pipeline.line import Contract, Line
from pipeline.metrics import ProducerMetrics
from pipeline.publish import FramePublisher
from pipeline.sessions_memory import MemorySessions
from samples.catalog import FOOTAGE
from samples.rtsp import Mount, RtspServer
from tests.stack.running import RunningStack
from wire import frames, streams
from wire.clock import SystemClock
from wire.compacted import put
from wire.frames import Frame, Tier
from wire.kafka import Kafka, TopicPartition
from wire.streams import Pace, StreamSpec
from wire.topics import Topics

PARTITIONS = 4
WAIT_S_MAX = 30.0


def spec(stream: str = "gate", **changes: Any) -> StreamSpec:
    """Return a spec of the real footage, played once as fast as possible: 48 s of it."""
    first = StreamSpec(
        stream=stream,
        account="acme",
        source=str(FOOTAGE),
        model="park-n",
        height=192,
        width=256,
        fps=5,
        loop=False,
        pace=Pace.FAST,
        max_age_ms=60_000,
    )
    return msgspec.structs.replace(first, **changes)


async def until(holds: Callable[[], bool], wait_s: float = WAIT_S_MAX) -> None:
    """Wait until something holds; fail when it does not in time."""
    async with asyncio.timeout(wait_s):
        while not holds():  # noqa: ASYNC110  (a plain condition, without an event)
            await asyncio.sleep(0.05)


@dataclass(kw_only=True)
class Park:
    """The surroundings of fleets: topics, sessions, and what was published."""

    kafka: Kafka
    topics: Topics
    sessions: MemorySessions
    registry: CollectorRegistry
    metrics: ProducerMetrics

    async def announce(self, *specs: StreamSpec) -> None:
        """Write specs to the topic `streams`."""
        now = SystemClock().now()
        rows = {it.stream: streams.encode(it, at=now) for it in specs}
        await put(self.kafka, self.topics.streams, dict(rows))

    async def remove(self, stream: str) -> None:
        """Write a tombstone."""
        await put(self.kafka, self.topics.streams, {stream: None})

    async def published(self) -> list[Frame]:
        """Return all frames on the topics now, in the order of their partitions."""
        reader = self.kafka.reader(client_id="test", from_start=True)
        await reader.start()
        try:
            places = [
                TopicPartition(self.topics.frames(tier), number)
                for tier in Tier
                for number in range(PARTITIONS)
            ]
            reader.assign(places)
            ends = await reader.end_offsets(places)
            found: list[Frame] = []
            for place in places:
                while await reader.position(place) < ends[place]:
                    for records in (await reader.getmany(place, timeout_ms=500)).values():
                        found += [frames.decode(it.headers, it.value) for it in records]
            return found
        finally:
            await reader.stop()

    def count(self, name: str, stream: str) -> float:
        """Return a producer's counter of one stream, over all reasons."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == f"framemeter_producer_{name}_total"
            and sample.labels["stream"] == stream
        )

    @contextlib.asynccontextmanager
    async def fleet(self) -> AsyncIterator[Fleet]:
        """Run a fleet; stop it in order at the end."""
        clock, stop = SystemClock(), asyncio.Event()
        publisher = FramePublisher(self.kafka, self.topics)

        def line_of(contract: Contract) -> Line:
            return Line(contract=contract, sessions=self.sessions, publisher=publisher, clock=clock)

        with ThreadPoolExecutor(2) as encoders:
            studio = Studio(clock=clock, encoders=encoders, metrics=self.metrics)
            fleet = Fleet(self.kafka, self.topics, studio, line_of)
            running = asyncio.create_task(fleet.run(stop))
            try:
                yield fleet
            finally:
                stop.set()
                await asyncio.wait_for(running, 15)
                await publisher.stop()


@pytest.fixture
async def park(stack: RunningStack, topic_prefix: str) -> Park:
    """Give topics of this test's own and an account `acme` with plenty of tokens."""
    kafka, topics = Kafka(bootstrap=stack.kafka), Topics(prefix=topic_prefix, partitions=PARTITIONS)
    await kafka.create_topics(topics.table())
    sessions = MemorySessions(SystemClock())
    sessions.top_up("acme", 1_000_000_000)
    registry = CollectorRegistry()
    return Park(
        kafka=kafka,
        topics=topics,
        sessions=sessions,
        registry=registry,
        metrics=ProducerMetrics(registry),
    )


@pytest.fixture
def cameras() -> Iterator[RtspServer]:
    """Give an RTSP server with one camera, `gate`."""
    with RtspServer({"gate": Mount(path=FOOTAGE)}) as server:
        yield server


@pytest.fixture
def broker(stack: RunningStack) -> RunningStack:
    """Give a Kafka that may be killed and paused; skip before anything is opened where not."""
    if stack.local is None:
        pytest.skip(f"faults need the local stack, this is {stack.kind}")
    return stack
