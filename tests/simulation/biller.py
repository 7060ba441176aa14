"""One member of the billers' group: the real `billing.protocol`, with its consumer and its tasks.

A consumer's position, what it has polled and what the biller has in hand are three things here,
as in life, and any task may be in the middle of its work while anything else happens.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from billing.batches import Message
from billing.protocol import (
    Action,
    BillerProtocol,
    Claim,
    CommitOffset,
    MoveWatermark,
    Phase,
    ReadToEnd,
    Seek,
    WriteBatch,
)
from tests.simulation.kafka import Fate
from tests.simulation.ledger import Fenced
from tests.simulation.rows import moment

if TYPE_CHECKING:
    from tests.simulation.world import World

BATCH_MAX = 3
TOLD_EVERY_S = 0.4


class Consumer:
    """What a consumer knows of one partition."""

    __slots__ = ("_look", "polled_at", "polled_end", "polled_stable", "position", "told_again_at")

    def __init__(self) -> None:
        self.position = 0
        self.told_again_at = 0.0
        self.polled_at: float | None = None
        self.polled_end = 0
        self.polled_stable = 0
        self._look: tuple[float, int] | None = None

    def look(self) -> tuple[float, int] | None:
        """Return an end that the broker told and when it did; the same until it is reached."""
        if self._look is None and self.polled_at is not None:
            self._look = self.polled_at, self.polled_end
        return self._look

    def reached(self, look: tuple[float, int], _full: bool, _now: float) -> ReadToEnd | None:
        """Return the look if all below its end has been handed out since, now and then."""
        at, end = look
        if self.position < end:
            return None
        self._look = None
        if at < self.told_again_at:
            return None
        self.told_again_at = at + TOLD_EVERY_S
        return ReadToEnd(at=moment(at), offset=end)


class Biller:
    """A process: its protocol, its consumers, its tasks under way."""

    __slots__ = ("_consumers", "_hand", "_protocol", "_tasks", "_world", "frozen_until", "name")

    def __init__(self, world: "World", name: str) -> None:
        self._world = world
        self.name = name
        self.frozen_until = 0.0
        self.start()

    def start(self) -> None:
        """Begin with nothing remembered."""
        self._protocol = BillerProtocol()
        self._consumers: dict[int, Consumer] = {}
        self._tasks: list[Callable[[], None]] = []
        self._hand: Callable[[], None] | None = None  # what a fetch brought, not yet given over

    def crash(self) -> None:
        """Die; a transaction that is under way may still be committed."""
        if self._tasks and self._world.chance.roll() < 0.3:
            self._world.later(self._tasks[0])  # its answer meets a protocol that forgot the era
        self.start()

    def assign(self, partition: int) -> None:
        """Kafka gives this partition to us."""
        self._consumers[partition] = Consumer()
        self._act(self._protocol.assigned([partition]))

    def revoke(self, partition: int) -> None:
        """Kafka takes it away."""
        self._act(self._protocol.revoked([partition]))

    def step(self) -> None:
        """Do one thing of those that may happen now."""
        if not self._consumers:
            return
        roll, tasks = self._world.chance.roll, self._tasks
        ready = self._protocol.in_phase(Phase.READY)
        if tasks and roll() < (0.6 if ready else 0.4):  # claims wait a little
            tasks.pop(int(roll() * len(tasks)))()
        elif self._hand is not None:
            hand, self._hand = self._hand, None
            hand()
        else:
            wanted = ready
            if not wanted or roll() < 0.05:
                wanted = self._protocol.in_phase(Phase.CLAIMING)
            if wanted:
                self._fetch(wanted[int(roll() * len(wanted))])

    def _fetch(self, partition: int) -> None:
        world, consumer = self._world, self._consumers[partition]
        log = world.usage[partition]
        look = consumer.look()
        if not world.chance.fault("poll stale"):
            consumer.polled_at, consumer.polled_end = world.now, len(log.records)
            consumer.polled_stable = log.stable_end()
        messages: list[Message] = []
        position, end = consumer.position, consumer.polled_stable
        if position >= end and world.now < consumer.told_again_at:
            return
        most = 1 + world.chance.below(BATCH_MAX)
        while position < end and len(messages) < most:
            part, value = log.records[position]
            if part.fate is Fate.COMMITTED:
                messages.append((position, value))
            position += 1
        while position < end and log.records[position][0].fate is not Fate.COMMITTED:
            position += 1  # markers and aborted records are passed over
        consumer.position = position
        era = self._protocol.era(partition)
        full = len(messages) == most
        reached = None if look is None else consumer.reached(look, full, world.now)
        if not messages and reached is None:
            return
        if world.chance.fault("fetch slow") or not self._protocol.in_phase(Phase.READY):
            self._hand = lambda: self._act(
                self._protocol.fetched(partition, era, messages, reached)
            )
        else:
            self._act(self._protocol.fetched(partition, era, messages, reached))

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if self._world.trace:
                self._world.trace(f"{self.name}: {action}")
            match action:
                case Seek(partition=partition, offset=offset):
                    self._consumers[partition].position = offset
                case Claim():
                    self._tasks.append(partial(self._claim, self._protocol, action))
                case WriteBatch():
                    self._tasks.append(partial(self._write, self._protocol, action))
                case MoveWatermark():
                    self._tasks.append(partial(self._move, self._protocol, action))
                case CommitOffset(partition=partition, offset=offset):
                    assert offset <= len(self._world.usage[partition].records)

    def _answer(self, protocol: BillerProtocol, tell: Callable[[], list[Action]]) -> None:
        """Let an answer arrive, unless the process that waited for it is gone."""
        if protocol is self._protocol:
            self._act(tell())

    def _claim(self, protocol: BillerProtocol, action: Claim) -> None:
        world, partition, era = self._world, action.partition, action.era
        if world.chance.fault("claim lost"):
            self._answer(protocol, lambda: protocol.failed(partition, era))
            return
        epoch, offset = world.ledger.claim(partition)
        if world.chance.fault("claim answer lost"):
            self._answer(protocol, lambda: protocol.failed(partition, era))
        elif world.chance.fault("claim late"):
            self._tasks.append(
                lambda: self._answer(
                    protocol, lambda: protocol.claimed(partition, era, epoch, offset)
                )
            )
        else:
            self._answer(protocol, lambda: protocol.claimed(partition, era, epoch, offset))

    def _write(self, protocol: BillerProtocol, action: WriteBatch) -> None:
        chance, partition, era = self._world.chance, action.partition, action.era
        if chance.fault("write lost"):
            self._answer(protocol, lambda: protocol.failed(partition, era))
            return
        if chance.fault("write late"):
            self._world.later(lambda: self._wrote(action))
            self._answer(protocol, lambda: protocol.failed(partition, era))
            return
        following = self._wrote(action)
        if following is None:
            self._answer(protocol, lambda: protocol.fenced(partition, era))
        elif chance.fault("write answer lost"):
            self._answer(protocol, lambda: protocol.failed(partition, era))
        else:
            self._answer(protocol, lambda: protocol.committed(partition, era, following))

    def _wrote(self, action: WriteBatch) -> int | None:
        """Carry the transaction out; None: fenced."""
        try:
            return self._world.ledger.write(
                action.partition, action.owner_epoch, list(action.messages), action.watermark
            )
        except Fenced:
            self._world.chance.counts["biller fenced"] += 1
            return None

    def _move(self, protocol: BillerProtocol, action: MoveWatermark) -> None:
        try:
            self._world.ledger.move_watermark(action.partition, action.owner_epoch, action.at)
        except Fenced:
            self._world.chance.counts["biller fenced"] += 1
            self._answer(protocol, lambda: protocol.fenced(action.partition, action.era))
