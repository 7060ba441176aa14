"""A lane's producer and its reading of offsets, request by request.

What `LaneProducer` and `committed_offset` do is here a table of steps. A request answers True when
it is done, False when it is refused, None when it is to be asked again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from consumers.detector.lane import Transact
from consumers.detector.metering import Outcome, overdue, usage_of
from tests.simulation.kafka import Coordinator, Fate, Target
from tests.simulation.outputs import Seen, Told
from tests.simulation.rows import moment
from wire.decided import Decided, commit_due

if TYPE_CHECKING:
    from tests.simulation.world import World

OPENING = ("ask", "fence", "mend", "commit", "scrub", "abort", "read")
"""The order on which exactly-once rests."""
TRANSACTION_STAGES = 4
STABLE_READ = True
"""Offsets of undecided transactions are waited for (`require_stable`)."""

Result = tuple[Seen, Outcome]
"""A detection and its outcome."""
Request = Callable[[], bool | None]


class Producer:
    """What one process holds to write to one column; it lives through all eras of its lane."""

    __slots__ = ("_epoch", "_index", "_undelivered", "_world", "offset")

    def __init__(self, world: "World", index: int) -> None:
        self.offset = 0
        self._world = world
        self._index = index
        self._epoch = 0
        self._undelivered: Decided | None = None

    def opening(self, stage: int, wanted: Callable[[], bool]) -> Request:
        """Return the request of this stage; its answer counts only while it is `wanted`."""
        epoch = self._epoch
        match OPENING[stage]:
            case "ask":
                return self._ask
            case "fence":
                return lambda: self._fence(wanted)
            case "mend":
                return lambda: self._mend(epoch)
            case "commit":
                return lambda: self._commit_again(epoch)
            case "scrub":
                return lambda: self._scrub(epoch)
            case "abort":
                return lambda: self._abort(epoch)
            case step:
                assert step == "read"
                return self._read

    def _ask(self) -> bool | None:
        coordinator = self._world.coordinators[self._index]
        found = coordinator.described()
        if found is None:
            return None
        self._undelivered = commit_due(found, self._undelivered)
        if self._undelivered is None:
            self._decision_is_lost(coordinator)
        return True

    def _fence(self, wanted: Callable[[], bool]) -> bool | None:
        epoch = self._world.coordinators[self._index].start(self._world.now)
        if epoch is None:
            return None
        if wanted():
            self._epoch = epoch
        return True

    def _mend(self, epoch: int) -> bool | None:
        """Begin to commit once more what was decided, if this is the next producer."""
        world = self._world
        coordinator = world.coordinators[self._index]
        due = self._undelivered
        if due is None or not due.precedes(coordinator.producer, epoch):
            if due is not None:
                self._decision_is_lost(coordinator)
            self._undelivered = None
            return True
        for target in (*world.column(self._index), world.offsets[self._index]):
            added = coordinator.add(epoch, target, world.now)
            if not added:
                return added
        return True

    def _commit_again(self, epoch: int) -> bool | None:
        world = self._world
        coordinator = world.coordinators[self._index]
        if self._undelivered is None:
            return True
        done = coordinator.end(epoch, Fate.COMMITTED, world.now)
        if done:
            world.chance.counts["commits told again"] += 1
            self._undelivered = None
        return done

    def _decision_is_lost(self, coordinator: Coordinator) -> None:
        """Note what nobody can mend: another opening has hidden how a torn commit was decided.

        Results may then repeat, or be missing; what is missing must stay visible.
        """
        if coordinator.torn:
            coordinator.torn = False
            self._world.chance.counts["torn for good"] += 1
            self._world.repeats.add(self._index)
            self._world.holes.add(self._index)

    def _scrub(self, epoch: int) -> bool | None:
        world = self._world
        detections, usage = world.column(self._index)
        done = self._send(epoch, detections, [None]) and self._send(epoch, usage, [None])
        return done and self._send(epoch, world.offsets[self._index], [0])

    def _abort(self, epoch: int) -> bool:
        world = self._world
        return world.coordinators[self._index].end(epoch, Fate.ABORTED, world.now)

    def _read(self) -> bool | None:
        offset = self._world.offsets[self._index]
        stale = self._world.now < offset.stale_until
        if STABLE_READ and (stale or offset.pending is not None):
            return None
        self.offset = offset.older if stale else offset.value
        return True

    def transaction(self, stage: int, action: Transact[Result]) -> Request:
        """Return the request of this stage of a transaction."""
        world, index, epoch = self._world, self._index, self._epoch
        detections, usage = world.column(index)
        if stage == 0:
            return lambda: self._send(epoch, detections, [seen for seen, _ in action.results])
        if stage == 1:
            events = usage_of(outcome for _, outcome in action.results)
            return lambda: self._send(epoch, usage, [Told(event, world.now) for event in events])
        if stage == 2:
            return lambda: self._send(epoch, world.offsets[index], [action.next_offset])
        coordinator = world.coordinators[index]
        if overdue([outcome for _, outcome in action.results], moment(world.now)):
            world.chance.counts["detected too long ago"] += 1
            return lambda: False
        return lambda: coordinator.end(epoch, Fate.COMMITTED, world.now)

    def _send(self, epoch: int, target: Target, values: list[object]) -> bool | None:
        """Let the coordinator know the partition, then write to it."""
        world = self._world
        coordinator = world.coordinators[self._index]
        added = coordinator.add(epoch, target, world.now)
        if not added:
            return added
        producer = coordinator.producer
        if world.chance.fault("lane request late"):  # known to the coordinator, not yet written
            world.later(lambda: target.write(producer, epoch, values))  # type: ignore[arg-type]
            return False
        return target.write(producer, epoch, values)  # type: ignore[arg-type]
