"""The biller's IO: reads `usage`, carries out what `billing.protocol` decides, group member by
group member.

Promises that heartbeats never wait for the database (writes run in tasks of their own), and that
Kafka or PostgreSQL being away means waiting, never losing: the ledger's position decides what is
read, Kafka's committed offset only shows the lag.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from billing import batches
from billing.batches import Message
from billing.metrics import BillerMetrics
from billing.protocol import (
    Action,
    BillerProtocol,
    Claim,
    CommitOffset,
    MoveWatermark,
    Phase,
    Seek,
    WriteBatch,
)
from billing.watermarks import Watermarks
from billing.writer import Claimed, Fenced, Writer, Written
from wire.clock import Clock
from wire.errors import Retryable
from wire.kafka import (
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    KafkaError,
    TopicPartition,
)
from wire.process import event_or_timeout

log = structlog.stdlib.get_logger("billing.biller")

BATCH_EVENTS_MAX = 20_000
FETCH_WAIT_MS = 50
IDLE_WAIT_S = 0.5
WRITES_AT_ONCE_MAX = 4
REVOKE_WAIT_S = 1.5
"""How long a revoke waits for running writes; only to save work, safety does not need it."""
STOP_WAIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BillerPorts:
    """What a biller works with. `on_commit` is called after each batch that charged someone."""

    writer: Writer
    clock: Clock
    metrics: BillerMetrics
    on_commit: asyncio.Event


class Biller(ConsumerRebalanceListener):  # type: ignore[misc]
    """One stay in the consumer group, with a consumer that is not started yet."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, ports: BillerPorts) -> None:
        self._consumer = consumer
        self._topic = topic
        self._ports = ports
        self._protocol = BillerProtocol()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing: set[asyncio.Task[None]] = set()
        self._writes = asyncio.Semaphore(WRITES_AT_ONCE_MAX)
        self._wake = asyncio.Event()
        self._watermarks = Watermarks(consumer, topic)

    async def run(self, stop: asyncio.Event) -> None:
        """Read and charge until `stop`; raise `Retryable` when Kafka is lost."""
        try:
            await self._join()
            while not stop.is_set():
                self._raise_failures()
                await self._turn()
        except (KafkaError, OSError) as error:
            raise Retryable(f"Kafka does not answer: {error or type(error).__name__}") from error
        finally:
            await self._leave()

    async def _join(self) -> None:
        await self._consumer.start()
        partitions = await self._partitions()
        await self._ports.writer.register(partitions)
        self._consumer.subscribe([self._topic], listener=self)

    async def _partitions(self) -> Sequence[int]:
        if self._topic not in await self._consumer.topics():
            raise Retryable(
                f"topic {self._topic} does not exist: make it with `framemeter topics create`"
            )
        return sorted(self._consumer.partitions_for_topic(self._topic) or ())

    async def _turn(self) -> None:
        """Fetch once from the partitions that are ready and act on what came."""
        ready = self._protocol.in_phase(Phase.READY)
        if not ready:
            await self._wait_for_ready()
            return
        await self._read(ready, BATCH_EVENTS_MAX, FETCH_WAIT_MS)

    async def _read(self, partitions: Sequence[int], records_max: int, wait_ms: int) -> None:
        """Fetch once and act on what came."""
        looks = {partition: self._watermarks.look(partition) for partition in partitions}
        fetched = await self._fetch(partitions, records_max, wait_ms)
        # No await between the fetch and the eras: what is fetched belongs to them, and whatever
        # happens to a partition while its end is looked for makes it void.
        eras = {partition: self._protocol.era(partition) for partition in partitions}
        for partition in partitions:
            messages = _messages(fetched.get(TopicPartition(self._topic, partition), ()))
            end = await self._watermarks.reached(partition, looks[partition])
            self._act(self._protocol.fetched(partition, eras[partition], messages, end))

    async def _fetch(
        self, partitions: Iterable[int], records_max: int, wait_ms: int
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]:
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        return await self._consumer.getmany(  # type: ignore[no-any-return]
            *wanted, timeout_ms=wait_ms, max_records=records_max
        )

    async def _wait_for_ready(self) -> None:
        """Wait for a claim or a write to end, and show the group that we are alive.

        What this fetch brings is dropped by the protocol while a claim, and so a seek, is pending;
        where the claim ended meanwhile, it is the first batch.
        """
        self._wake.clear()
        if not await event_or_timeout(self._wake, IDLE_WAIT_S):
            claiming = self._protocol.in_phase(Phase.CLAIMING)
            if claiming:
                await self._read(claiming, 1, 0)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Claim what Kafka gave us; returns at once, for heartbeats wait for it."""
        self._act(self._protocol.assigned(tp.partition for tp in assigned))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let running writes end, for a moment, and forget the partitions."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=REVOKE_WAIT_S)
        self._protocol.revoked(tp.partition for tp in revoked)

    def _act(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Claim():
                    self._start(self._claim(action))
                case Seek():
                    self._seek(action)
                case WriteBatch():
                    self._writing.add(task := self._start(self._write(action)))
                    task.add_done_callback(self._writing.discard)
                case CommitOffset():
                    self._start(self._commit_offset(action))
                case MoveWatermark():
                    self._start(self._move_watermark(action))
        self._wake.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        # A task that failed stays, for `_raise_failures` to end the process with its error.
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)

    def _raise_failures(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            task.result()

    async def _claim(self, action: Claim) -> None:
        await asyncio.sleep(action.wait_s)
        self._ports.metrics.claims.inc()
        try:
            claimed = await self._ports.writer.claim(action.partition)
            offset = await self._existing(action.partition, claimed)
        except (Retryable, KafkaError, OSError) as error:
            log.warning("cannot claim", partition=action.partition, reason=str(error))
            self._act(self._protocol.failed(action.partition, action.era))
            return
        self._act(self._protocol.claimed(action.partition, action.era, claimed.owner_epoch, offset))

    async def _existing(self, partition: int, claimed: Claimed) -> int:
        """Return where to read on: from 0 when the topic is shorter than what was read of it.

        Then it was made anew, or lost its end. Reading it all again charges nothing twice.
        """
        # A seek that cuts the consumer's own search for a start short leaves a connection behind.
        await self._watermarks.position(partition)
        tp = TopicPartition(self._topic, partition)
        end = (await self._consumer.end_offsets([tp]))[tp]
        if claimed.next_offset <= end:
            return claimed.next_offset
        log.warning(
            "the topic ends before what was read of it: reading it from its beginning",
            partition=partition,
            read=claimed.next_offset,
            end=end,
        )
        await self._ports.writer.rewind(partition, claimed.owner_epoch)
        return 0

    def _seek(self, action: Seek) -> None:
        try:
            self._consumer.seek(TopicPartition(self._topic, action.partition), action.offset)
        except KafkaError:  # a rebalance took it meanwhile; its revocation is on the way to us
            log.info("lost before reading", partition=action.partition)

    async def _write(self, action: WriteBatch) -> None:
        partition, era = action.partition, action.era
        try:
            async with self._writes:
                batch = batches.read(action.messages)
                written = await self._ports.writer.write(
                    partition, action.owner_epoch, batch, action.watermark
                )
        except Fenced:
            log.info("another biller owns the partition now", partition=partition)
            self._act(self._protocol.fenced(partition, era))
        except Retryable as error:
            log.warning("batch not written", partition=partition, reason=str(error))
            self._act(self._protocol.failed(partition, era))
        else:
            self._count(partition, written)
            self._act(self._protocol.committed(partition, era, written.next_offset))

    def _count(self, partition: int, written: Written) -> None:
        metrics = self._ports.metrics
        metrics.batches.inc()
        metrics.events.inc(written.events)
        metrics.charged_millitokens.inc(written.charged_millitokens)
        self._ports.on_commit.set()
        if written.emitted_at is not None and written.emitted_at.tzinfo is not None:
            delay = self._ports.clock.now() - written.emitted_at
            metrics.delay_seconds.observe(max(0.0, delay.total_seconds()))
        if written.unbillable:
            metrics.unbillable.inc(written.unbillable)
            log.warning(
                "events nobody can be charged for",
                partition=partition,
                events=written.unbillable,
                see="table unbillable, framemeter audit",
            )

    async def _commit_offset(self, action: CommitOffset) -> None:
        try:
            await self._consumer.commit(
                {TopicPartition(self._topic, action.partition): action.offset}
            )
        except (KafkaError, OSError) as error:
            log.info("lag not updated", partition=action.partition, reason=str(error))

    async def _move_watermark(self, action: MoveWatermark) -> None:
        try:
            await self._ports.writer.move_watermark(action)
        except Fenced:
            log.info("another biller owns the partition now", partition=action.partition)
            self._act(self._protocol.fenced(action.partition, action.era))
        except Retryable as error:
            log.info("watermark not moved", partition=action.partition, reason=str(error))

    async def _leave(self) -> None:
        """Let writes end, drop the rest, leave the group."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=STOP_WAIT_S)
        if self._tasks:  # a Kafka call that is cut short leaves its connection behind
            await asyncio.wait(self._tasks, timeout=REVOKE_WAIT_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _stop_consumer(self._consumer)


async def _stop_consumer(consumer: AIOKafkaConsumer) -> None:
    try:
        await asyncio.wait_for(consumer.stop(), STOP_WAIT_S)
    except (KafkaError, OSError, TimeoutError) as error:
        log.info("left the group without a word", reason=str(error))


def _messages(records: Sequence[ConsumerRecord[bytes, bytes]]) -> Sequence[Message]:
    return [(record.offset, record.value) for record in records]
