"""The streams of one producer: shared out over producers by a consumer group, watched one by one.

The compacted topic `streams` is read from its beginning at each assignment and never committed.
While streams are being shared out anew nothing is published; what stays ours goes on in its
session, what does not is stopped in order. A bad spec is reported and changes nothing.
"""

import asyncio
from collections.abc import Iterable
from itertools import chain

import structlog

from pipeline.camera import Studio
from pipeline.roster import Roster, plan
from pipeline.sources import shown
from pipeline.watch import LineOf, Watch
from wire.errors import Misconfigured, Retryable
from wire.kafka import (
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    Kafka,
    KafkaError,
    TopicPartition,
)
from wire.memory import give_back
from wire.process import retry_until_stop
from wire.streams import StreamSpec
from wire.topics import Topics

POLL_MS = 200
READ_WAIT_S_MAX = 5.0
"""A partition that cannot be read to its end in this time is taken as it is known so far."""
CONSUMER_STOP_WAIT_S = 1.0
log = structlog.stdlib.get_logger("pipeline.fleet")


class Fleet:
    """All watches of this process."""

    def __init__(self, kafka: Kafka, topics: Topics, studio: Studio, line_of: LineOf) -> None:
        self._kafka = kafka
        self._topics = topics
        self._studio = studio
        self._line_of = line_of
        self._watches: dict[str, Watch] = {}
        self._roster = Roster()
        self._heard: dict[int, int] = {}
        self._assigned: frozenset[int] | None = None
        self._share = 0
        """Counts assignments and revocations, so that work for an older one can be told."""

    @property
    def streams(self) -> frozenset[str]:
        """The streams that are being watched here."""
        return frozenset(self._watches)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch what is assigned until `stop`; then stop all of it in order and leave."""
        while not stop.is_set():
            consumer = await retry_until_stop(
                self._joined, stop=stop, what="the list of streams in Kafka"
            )
            if consumer is None:
                break
            try:
                await self._follow(consumer, stop)
            except KafkaError as error:
                log.warning("lost the list of streams; joining again", reason=repr(error))
                await self.revoked()
            finally:
                if stop.is_set():
                    await self._stop_all("producer stopped")
                await _ended(consumer)

    async def revoked(self) -> None:
        """Close every session, bounded, before another producer may open one of the stream."""
        self._share += 1
        self._assigned = None
        await asyncio.gather(*(watch.pause() for watch in self._watches.values()))

    def assigned(self, partitions: frozenset[int]) -> None:
        """Take note of what is ours; returns at once, as heartbeats wait for it."""
        self._share += 1
        self._assigned = partitions
        self._roster.assign(partitions)
        self._heard.clear()

    async def _joined(self) -> AIOKafkaConsumer:
        """Return a member of the group; raise `Retryable` when Kafka or the topic is away."""
        consumer = self._kafka.group_consumer(
            group=f"{self._topics.prefix}producer",
            client_id="framemeter-producer",
            share_evenly=True,
        )
        try:
            await consumer.start()
            await self._kafka.partitions_of(consumer, self._topics.streams)
        except (KafkaError, OSError, Misconfigured) as error:
            await _ended(consumer)
            raise Retryable(f"Kafka at {self._kafka.bootstrap}: {error}") from error
        consumer.subscribe([self._topics.streams], listener=_Listener(self))
        return consumer

    async def _follow(self, consumer: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        """Read specs; act on them once all that is assigned was read to its end."""
        taken = -1
        while not stop.is_set():
            share, partitions = self._share, self._assigned
            if partitions is not None and share != taken:
                await self._take_over(consumer, partitions)
                taken = share
            elif await self._poll(consumer) and taken == self._share:
                await self._carry_out(taken)

    async def _take_over(self, consumer: AIOKafkaConsumer, partitions: frozenset[int]) -> None:
        """1. Read every assigned partition to its end. 2. Act on the difference. 3. Publish.

        Another sharing-out in the middle makes all of it void.
        """
        share = self._share
        await self._read_to_end(consumer, partitions)
        if share == self._share:
            await self._carry_out(share)
        if share == self._share:
            for watch in self._watches.values():
                watch.resume()
            log.info("streams shared out", ours=len(self._watches), partitions=len(partitions))

    async def _read_to_end(self, consumer: AIOKafkaConsumer, numbers: frozenset[int]) -> None:
        share = self._share
        partitions = [TopicPartition(self._topics.streams, number) for number in sorted(numbers)]
        ends = await consumer.end_offsets(partitions) if partitions else {}
        deadline = self._studio.clock.monotonic() + READ_WAIT_S_MAX
        while any(self._heard.get(at.partition, 0) < end for at, end in ends.items()):
            if share != self._share or self._studio.clock.monotonic() > deadline:
                return
            await self._poll(consumer)

    async def _poll(self, consumer: AIOKafkaConsumer) -> bool:
        """Hear what there is to be heard; say whether that was anything.

        aiokafka gives out records of the present assignment alone, but gives each only once: they
        must be heard even while the fleet does not know yet that it was assigned anything.
        """
        batch = await consumer.getmany(timeout_ms=POLL_MS)
        for record in chain.from_iterable(batch.values()):
            self._heard[record.partition] = record.offset + 1
            wrong = self._roster.hear(record.partition, record.key, record.value)
            if wrong is not None:
                log.warning("a stream's spec is ignored", reason=wrong, offset=record.offset)
        return bool(batch)

    async def _carry_out(self, share: int) -> None:
        """Bring what runs in line with what is wanted, all streams at the same time."""
        running = {stream: watch.spec for stream, watch in self._watches.items()}
        steps = plan(self._roster.wanted(), running)
        for spec in steps.start:
            self._start(spec)
        await asyncio.gather(
            *(self._stop(each, "stream removed or moved", patient=True) for each in steps.stop),
            *(self._watches[spec.stream].amend(spec) for spec in steps.amend),
            *(self._restart(spec, share) for spec in steps.restart),
        )
        if steps.stop or steps.restart:
            await asyncio.to_thread(give_back)  # what decoders leave behind

    def _start(self, spec: StreamSpec) -> None:
        self._studio.metrics.began(spec.stream)
        self._watches[spec.stream] = Watch(spec, self._studio, self._line_of)
        log.info("stream started", stream=spec.stream, source=shown(spec.source), fps=spec.fps)

    async def _stop(self, stream: str, reason: str, *, patient: bool) -> None:
        watch = self._watches.pop(stream)
        await watch.stop(reason, patient=patient)
        if stream not in self._watches:  # it may have been started again meanwhile
            self._studio.metrics.ended(stream)

    async def _restart(self, spec: StreamSpec, share: int) -> None:
        await self._stop(spec.stream, "stream changed", patient=True)
        if share == self._share:
            self._start(spec)

    async def _stop_all(self, reason: str) -> None:
        stops = (self._stop(stream, reason, patient=False) for stream in list(self._watches))
        await asyncio.gather(*stops)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the fleet what the group decided."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Hold everything, whatever is revoked: it is not known yet what stays ours."""
        await self._fleet.revoked()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Take note."""
        self._fleet.assigned(frozenset(at.partition for at in assigned))


async def _ended(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, within a bounded time."""
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.wait({stopping}, timeout=CONSUMER_STOP_WAIT_S)
    if not stopping.done():
        stopping.cancel()
        log.debug("a consumer did not stop in time")
    elif stopping.exception() is not None:
        log.debug("a consumer did not stop well", reason=repr(stopping.exception()))
