"""The IO around a lane: carries out what `lane.py` answers, and reports back to it.

Nothing is decided here: `pacing.py` says when frames that have ended are reported. One task at
most runs for a lane at any time (an opening, a transaction or a wait), and what an older era still
says is ignored by the protocol.
"""

import asyncio
import random
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

import structlog

from consumers.detector import lane as protocol
from consumers.detector.figures import Figures
from consumers.detector.inference import Inference
from consumers.detector.lane import Lane, Taken
from consumers.detector.metering import Outcome, messages_of, overdue
from consumers.detector.pacing import LOST_S, NEVER, Pace, hold_s
from consumers.detector.pieces import Work
from consumers.detector.received import Received, rejected, taken
from wire.clock import Clock
from wire.errors import Retryable
from wire.frames import BadFrame, Frame
from wire.kafka import AIOKafkaConsumer, ConsumerRecord, Kafka, TopicPartition
from wire.stable_offsets import committed_offset
from wire.topics import Topics
from wire.transactions import Column, LaneProducer

GRACE_S = 1.5
"""How long a running transaction may take to end when the partition is taken away."""
OFFSET_TIMEOUT_S = 10.0
CANCEL_TIMEOUT_S = 1.0
log = structlog.stdlib.get_logger("consumers.detector.lanes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all lanes of a process share; `room` is set when a lane may take more messages."""

    kafka: Kafka
    topics: Topics
    group: str
    inference: Inference
    clock: Clock
    figures: Figures
    room: asyncio.Event


class LaneShell:
    """One lane at work, from its making until `closed` is set."""

    def __init__(
        self, source: TopicPartition, consumer: AIOKafkaConsumer, around: Surroundings
    ) -> None:
        """Start to open the lane; `consumer` has paused its partition."""
        self.closed = asyncio.Event()
        self._source = source
        self._consumer = consumer
        self._around = around
        self._column = column_of(source, around)
        self._lane: Lane[Received, Outcome] = Lane()
        self._events: deque[protocol.Event[Received, Outcome]] = deque()
        self._reporting = False
        self._pace: Pace[Outcome] = Pace()
        self._wakes_at = NEVER
        self._producer: LaneProducer | None = None
        self._task: asyncio.Task[None] | None = None
        self._close_task: asyncio.Task[None] | None = None
        self._report(protocol.Assigned())

    @property
    def in_flight(self) -> int:
        """How many messages are taken and not committed."""
        return self._lane.in_flight

    @property
    def takes(self) -> bool:
        """Whether messages that the consumer hands out now are wanted."""
        return self._lane.takes

    def fetched(self, records: Sequence[ConsumerRecord]) -> None:
        """Take the records that the consumer handed out just now; drop them when not ready."""
        if not self.takes:
            return
        copies = self._lane.copies
        self._report(protocol.Fetched(messages=tuple(taken(record) for record in records)))
        self._around.figures.copies.inc(self._lane.copies - copies)

    def revoke(self) -> None:
        """End the lane: what has ended may be committed, within bounds."""
        self._release()
        self._report(protocol.Revoked())

    def _report(self, event: protocol.Event[Received, Outcome]) -> None:
        """Tell the protocol, in the order in which things happened, and do what it answers."""
        self._events.append(event)
        if self._reporting:
            return
        self._reporting = True
        try:
            while self._events:
                for action in self._lane.handle(self._events.popleft()):
                    self._carry_out(action)
        finally:
            self._reporting = False
        if not isinstance(event, protocol.Finished | protocol.Fetched):
            self._around.room.set()  # only what ends or begins a transaction makes room
            self._keep_pace()

    def _carry_out(self, action: protocol.Action[Received, Outcome]) -> None:
        match action:
            case protocol.Process(era=era, messages=messages):
                for message in messages:
                    self._process(era, message)
            case protocol.Transact():
                self._run(self._transact(action))
            case protocol.Open(era=era):
                self._run(self._open(era))
            case protocol.Start(offset=offset):
                self._consumer.seek(self._source, offset)
                self._consumer.resume(self._source)
            case protocol.Abandon():
                self._stop_work()
                if self._source in self._consumer.assignment():
                    self._consumer.pause(self._source)
            case protocol.Wait(era=era, seconds=seconds):
                self._run(self._wait(era, seconds))
            case protocol.Linger():
                self._pace.clear()
                self._around.inference.drop(self)
                loop = asyncio.get_running_loop()
                loop.call_later(GRACE_S, self._report, protocol.GraceOver())
            case protocol.Close(gentle=gentle):
                self._stop_work()
                self._close_task = asyncio.create_task(self._close(self._task, gentle))

    def _run(self, coroutine: Coroutine[object, object, None]) -> None:
        self._task = asyncio.create_task(coroutine)

    def _stop_work(self) -> None:
        self._pace.clear()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._around.inference.drop(self)

    def _process(self, era: int, message: Taken[Received]) -> None:
        """Queue a frame for inference; what is no frame ends here."""
        received, offset = message.work, message.offset

        def finish(outcome: Outcome) -> None:
            self._finished(era, offset, outcome)

        if isinstance(received.content, BadFrame):
            finish(rejected(received.content, received.origin, self._around.clock))
        else:
            self._around.inference.put(
                Work(frame=received.content, origin=received.origin, owner=self, finish=finish)
            )

    def _finished(self, era: int, offset: int, outcome: Outcome) -> None:
        """Hold what has ended for as long as its age allows, then report it with others."""
        if era != self._lane.era or not self.takes:
            return
        due_at = self._around.clock.monotonic() + _hold_s(outcome)
        self._pace.add(offset, outcome, due_at=due_at, awaited=outcome.is_awaited)
        self._keep_pace()

    def _keep_pace(self) -> None:
        """Report what is held when it is due, or wake up when it will be."""
        now = self._around.clock.monotonic()
        others = self._lane.pending - len(self._pace)
        if self._pace.is_due(now, others=others):
            self._release()
        elif self._pace.due_at < self._wakes_at:
            self._wakes_at = self._pace.due_at
            loop = asyncio.get_running_loop()
            loop.call_later(self._pace.due_at - now, self._wake)

    def _wake(self) -> None:
        self._wakes_at = NEVER
        self._keep_pace()

    def _release(self) -> None:
        era = self._lane.era
        for offset, outcome in self._pace.take():
            self._report(protocol.Finished(era=era, offset=offset, result=outcome))

    async def _open(self, era: int) -> None:
        """Open the lane in the order on which exactly-once rests.

        1. Tear the old producer down. 2. Start a new one: the fence. 3. Mend and scrub. 4. Read the
        stable committed offset, from the beginning when there is none. 5. Seek, resume and be
        ready with no await between (in `Opened`).
        """
        try:
            undelivered = None
            if self._producer is not None:
                undelivered = self._producer.undelivered
                self._around.figures.rebuilds.inc()
                await self._producer.discard(gentle=False)
            loop = asyncio.get_running_loop()
            self._producer = LaneProducer(
                self._around.kafka,
                self._column,
                broken=lambda reason: loop.call_soon(self._failed, era, reason),
                undelivered=undelivered,
            )
            await self._producer.open()
            offset = await self._offset()
            self._report(protocol.Opened(era=era, offset=offset))
        except Exception as error:  # noqa: BLE001  (one cure for every failure: a new era)
            self._failed(era, repr(error))

    async def _offset(self) -> int:
        offset = await committed_offset(
            self._consumer,
            group=self._around.group,
            partition=self._source,
            timeout_s=OFFSET_TIMEOUT_S,
        )
        if offset is not None:
            return offset
        beginnings = await self._consumer.beginning_offsets([self._source])
        return int(beginnings[self._source])

    async def _transact(self, action: protocol.Transact[Outcome]) -> None:
        """Write one transaction; nothing outside Kafka follows from its success.

        What was detected too long ago is not committed: a process that slept would charge frames
        whose grants are released already. Read again, they are expired.
        """
        clock, figures = self._around.clock, self._around.figures
        begun = clock.monotonic()

        def before_commit() -> None:
            if overdue(action.results, clock.now()):
                raise Retryable("frames were detected too long ago: they are read again")

        try:
            assert self._producer is not None
            figures.held(action.results, now=clock.now())
            messages = messages_of(
                action.results,
                topics=self._around.topics,
                partition=self._source.partition,
                at=clock.now(),
            )
            await self._producer.transact(
                messages, next_offset=action.next_offset, before_commit=before_commit
            )
            figures.committed(action.results, seconds=clock.monotonic() - begun)
            self._report(protocol.Committed(era=action.era))
        except Exception as error:  # noqa: BLE001  (one cure for every failure: a new era)
            self._failed(action.era, repr(error))

    async def _wait(self, era: int, seconds: float) -> None:
        await asyncio.sleep(seconds * random.uniform(0.7, 1.3))  # noqa: S311  (jitter)
        self._report(protocol.Waited(era=era))

    async def _close(self, running: asyncio.Task[None] | None, gentle: bool) -> None:
        if running is not None:
            await asyncio.wait([running], timeout=CANCEL_TIMEOUT_S)
        if self._producer is not None:
            await self._producer.discard(gentle=gentle)
        self.closed.set()

    def _failed(self, era: int, reason: str) -> None:
        if era == self._lane.era:
            log.warning(
                "a lane starts anew",
                topic=self._source.topic,
                partition=self._source.partition,
                reason=reason,
            )
        self._report(protocol.Failed(era=era, reason=reason))


def _hold_s(outcome: Outcome) -> float:
    frame = outcome.identity
    if not outcome.is_awaited:
        return LOST_S
    if not isinstance(frame, Frame):
        return 0.0
    age_s = (outcome.at - frame.captured_at).total_seconds()
    return hold_s(age_s=age_s, max_age_s=frame.max_age_ms / 1000, tier=frame.tier)


def column_of(source: TopicPartition, around: Surroundings) -> Column:
    """Return what the lane may ever write to: the same partition of the four output topics."""
    topics = around.topics
    written = (topics.detections, topics.usage, topics.replies, topics.deadletter)
    return Column(
        group=around.group,
        source=source,
        outputs=tuple((topic, source.partition) for topic in written),
    )
