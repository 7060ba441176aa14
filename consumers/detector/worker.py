"""The consume loop: a member of the group, its lanes, and messages from one to the other.

Promises that every lane may hold `SHARE_MIN` messages, whatever the others hold, and all together
`in_flight_max` more (so that a lane with a backlog starves no other, a camera that floods does not
hold its lane up, and memory is bounded), and that a lost group membership or a broker's absence
is answered by beginning anew, with nothing lost or doubled.
"""

import asyncio
from collections.abc import Awaitable, Collection, Sequence

import structlog

from consumers.detector.lanes import LaneShell, Surroundings
from wire.errors import Misconfigured, Retryable
from wire.kafka import (
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    KafkaError,
    TopicPartition,
)
from wire.process import event_or_timeout, retry_until_stop

SHARE_MIN = 64
POLL_RECORDS = SHARE_MIN // 2
POLL_MS = 100
POLL_BESIDE_FULL_MS = 25
"""While a lane is full, ask the others only briefly: it may have room again at any moment. It has
half its share to go on with meanwhile, so a shorter time would only cost."""
ROOM_WAIT_S = 0.1
LANES_STOP_S = 5.0
CONSUMER_STOP_S = 5.0
CLIENT_ID = "framemeter-detector"
log = structlog.stdlib.get_logger("consumers.detector.worker")


def capacity(*, in_flight_max: int, partitions: int) -> int:
    """Return the most messages that all lanes of one process can hold."""
    return in_flight_max + 2 * partitions * SHARE_MIN


def room_of(*, in_flight: int, of_all: int, in_flight_max: int) -> int:
    """Return how many more messages a lane may be given, of which `POLL_RECORDS` come at once.

    What others leave of `in_flight_max` it may have, but never more than half of all.
    """
    lent = in_flight_max // 2 if of_all + POLL_RECORDS <= in_flight_max else 0
    return max(SHARE_MIN, lent) - in_flight


class Worker:
    """One member of the detectors' group."""

    def __init__(self, around: Surroundings, *, in_flight_max: int) -> None:
        self._around = around
        self._in_flight_max = in_flight_max

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; begin anew after whatever ended the membership."""
        await retry_until_stop(lambda: self._membership(stop), stop=stop, what="Kafka")

    async def _membership(self, stop: asyncio.Event) -> None:
        """Be a member until `stop`; raise `Retryable` when the membership is lost."""
        kafka = self._around.kafka
        consumer = kafka.group_consumer(group=self._around.group, client_id=CLIENT_ID)
        lanes = Lanes(consumer, self._around)
        try:
            await consumer.start()
            await self._check_topics(consumer)
            consumer.subscribe(self._around.topics.frames_all, listener=lanes)
            await _until(stop, self._pump(consumer, lanes))
        except (KafkaError, OSError) as error:
            raise Retryable(f"Kafka at {kafka.bootstrap}: {error!r}") from error
        finally:
            await _bounded(lanes.close(), LANES_STOP_S, "lanes")
            await _bounded(consumer.stop(), CONSUMER_STOP_S, "consumer")

    async def _check_topics(self, consumer: AIOKafkaConsumer) -> None:
        """Wait for topics that are not there; a group that subscribes to none would sleep."""
        there = await consumer.topics()
        missing = [name for name in self._around.topics.frames_all if name not in there]
        if missing:
            raise Retryable(f"topics {missing} do not exist: run `framemeter topics create`")
        for name in self._around.topics.frames_all:
            count = len(await self._around.kafka.partitions_of(consumer, name))
            if count != self._around.topics.partitions:
                raise Misconfigured(
                    f"topic {name} has {count} partitions, not {self._around.topics.partitions}:"
                    " set FRAMEMETER_PARTITIONS to what the topics have"
                )

    async def _pump(self, consumer: AIOKafkaConsumer, lanes: "Lanes") -> None:
        """Hand messages to the lanes that have room, for ever."""
        room = self._around.room
        while True:
            room.clear()
            ready = lanes.ready()
            asked = self._asked(lanes, ready)
            if ready and not asked:
                await event_or_timeout(room, ROOM_WAIT_S)
                continue
            timeout_ms = POLL_MS if len(asked) == len(ready) else POLL_BESIDE_FULL_MS
            batches = await consumer.getmany(
                *asked, timeout_ms=timeout_ms, max_records=POLL_RECORDS
            )
            for source, records in batches.items():
                lanes.fetched(source, records)  # no await since getmany returned
            await asyncio.sleep(0)

    def _asked(self, lanes: "Lanes", ready: Sequence[TopicPartition]) -> list[TopicPartition]:
        """Return the lanes that have room for what a poll may bring."""
        held = {source: lanes.in_flight(source) for source in ready}
        of_all = sum(held.values())
        return [
            source
            for source, in_flight in held.items()
            if room_of(in_flight=in_flight, of_all=of_all, in_flight_max=self._in_flight_max)
            >= POLL_RECORDS
        ]


class Lanes(ConsumerRebalanceListener):  # type: ignore[misc]
    """The lanes of the partitions that the group has given to us.

    It has no `__len__`, for aiokafka skips a false listener.
    """

    def __init__(self, consumer: AIOKafkaConsumer, around: Surroundings) -> None:
        self._consumer = consumer
        self._around = around
        self._lanes: dict[TopicPartition, LaneShell] = {}

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Start the lanes. A plain function that returns at once: no heartbeat runs meanwhile."""
        self._consumer.pause(*assigned)  # first of all: getmany already hands messages out
        self._lanes = {
            source: LaneShell(source, self._consumer, self._around) for source in assigned
        }
        log.info("partitions assigned", count=len(assigned))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """End the lanes, within the time that a rebalance grants."""
        await _bounded(self.close(), LANES_STOP_S, "lanes")

    async def close(self) -> None:
        """End all lanes side by side."""
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.revoke()
        await asyncio.gather(*(lane.closed.wait() for lane in lanes.values()))

    def ready(self) -> list[TopicPartition]:
        """Return the partitions whose lanes take messages."""
        return [source for source, lane in self._lanes.items() if lane.takes]

    def in_flight(self, source: TopicPartition) -> int:
        """Return how many messages the lane of `source` holds."""
        return self._lanes[source].in_flight

    def fetched(self, source: TopicPartition, records: list[object]) -> None:
        """Give records to their lane; drop them when it is gone or not ready."""
        lane = self._lanes.get(source)
        if lane is not None:
            lane.fetched(records)


async def _until(stop: asyncio.Event, work: "Awaitable[None]") -> None:
    """Run `work` until `stop` is set; raise what it raises."""
    running = asyncio.ensure_future(work)
    halt = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, halt}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
    finally:
        for task in (running, halt):
            task.cancel()
        await asyncio.gather(running, halt, return_exceptions=True)


async def _bounded(ending: Awaitable[object], seconds: float, what: str) -> None:
    """Wait for the end of something for at most `seconds`."""
    try:
        await asyncio.wait_for(ending, seconds)
    except (TimeoutError, KafkaError, OSError) as error:
        log.warning("did not end in order", what=what, seconds=seconds, reason=repr(error))
