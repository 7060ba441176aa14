"""A detector's hold on one input partition: the real `lane`, with its producer step by step.

Each step of what `lanes.py` does may fail before or after its effect, arrive late, or never end
because the process dies.
"""

from typing import TYPE_CHECKING

from consumers.detector import lane as protocol
from consumers.detector.lane import Lane, Taken
from consumers.detector.metering import Outcome
from tests.simulation import producer
from tests.simulation.outputs import Seen
from tests.simulation.producer import Producer, Result
from tests.simulation.rows import FRAME_AGE_S, moment
from wire.usage import Status

if TYPE_CHECKING:
    from tests.simulation.world import World

STATUSES = (*[Status.DETECTED] * 6, Status.CACHED, Status.FAILED, Status.REJECTED)


class LaneActor:
    """One lane at work in process `process`."""

    __slots__ = (
        "_generation",
        "_life",
        "_lingers",
        "_position",
        "_producer",
        "_stage",
        "_task",
        "_todo",
        "_world",
        "closed",
        "frozen_until",
        "index",
        "lane",
        "name",
        "process",
    )

    def __init__(self, world: "World", index: int, process: int, life: int) -> None:
        self._world = world
        self.index = index
        self.process = process
        self.name = f"lane {index} of detector {process}, life {life}"
        self.frozen_until = 0.0
        self.lane: Lane[int, Result] = Lane()
        self.closed = False
        self._life = life
        self._position = world.offsets[index].value  # where a consumer starts, until it is sought
        self._todo: list[tuple[int, int]] = []
        self._task: protocol.Open | protocol.Transact[Result] | protocol.Wait | None = None
        self._stage = 0
        self._producer = Producer(world, index)
        self._generation = world.generation
        self._lingers = False
        self.report(protocol.Assigned())

    def report(self, event: protocol.Event[int, Result]) -> None:
        """Tell the protocol and do what it answers."""
        for action in self.lane.handle(event):
            if self._world.trace:
                self._world.trace(f"{self.name}: {type(event).__name__} -> {action}")
            match action:
                case protocol.Process(era=era, messages=messages):
                    self._todo += [(era, message.work) for message in messages]
                case protocol.Open() | protocol.Transact() | protocol.Wait():
                    self._task, self._stage = action, 0
                case protocol.Start(offset=offset):
                    self._position = offset
                case protocol.Abandon():
                    self._stop()
                case protocol.Linger():
                    self._lingers = True
                case protocol.Close():
                    self._stop()
                    self.closed = True

    def fail(self, reason: str) -> None:
        """Report a failure of what is under way."""
        self.report(protocol.Failed(era=self.lane.era, reason=reason))

    def report_revoked(self) -> None:
        """Tell the lane that its partition is gone."""
        self.report(protocol.Revoked())

    def step(self) -> bool:
        """Do one thing of those that may happen now; False: there is nothing to do."""
        roll = self._world.chance.roll()
        if roll < 0.15 and self._fetch():
            return True
        if self._task is not None and (roll < 0.65 or not self._todo):
            self._work()
        elif self._todo:
            self._finish()
        elif self._lingers:
            self.report(protocol.GraceOver())
        else:
            return self._fetch()
        return True

    def _fetch(self) -> bool:
        world, lane = self._world, self.lane
        start, frames = self._position, world.inputs[self.index]
        if start >= len(frames):
            return False
        if not lane.takes and not world.chance.fault("frames handed out unasked"):
            return False
        end = min(len(frames), start + 1 + world.chance.below(5))
        if lane.takes:
            self._position = end
        self.report(
            protocol.Fetched(
                messages=tuple(
                    [
                        Taken(offset=offset, key=frames[offset].key, work=offset)
                        for offset in range(start, end)
                    ]
                )
            )
        )
        return True

    def _finish(self) -> None:
        """Finish one frame or a few, as a batch does, in any order."""
        for _ in range(1 + self._world.chance.below(3)):
            if self._todo:
                self._finish_one()

    def _finish_one(self) -> None:
        world, todo = self._world, self._todo
        era, offset = todo.pop(world.chance.below(min(len(todo), 4)))
        frame = world.inputs[self.index][offset]
        fresh = world.now <= frame.captured_at + FRAME_AGE_S
        status = STATUSES[world.chance.below(len(STATUSES))] if fresh else Status.EXPIRED
        outcome = Outcome(identity=frame.identity, status=status, at=moment(world.now))
        seen = Seen(offset, frame.key, (self._life, era))
        if not fresh:
            world.chance.counts["frames expired"] += 1
        self.report(protocol.Finished(era=era, offset=offset, result=(seen, outcome)))

    def _stop(self) -> None:
        """Cancel what runs: a request of it may be in the network already. Drop the work."""
        task, self._task = self._task, None
        chance = self._world.chance
        if isinstance(task, protocol.Transact) and chance.roll() < 0.3 and not chance.calm:
            self._world.later(self._request(task))
        if chance.roll() < 0.5:
            self._todo.clear()

    def crash(self) -> None:
        """Die with the process."""
        self._stop()
        self._todo.clear()
        self.closed = True

    # The producer -------------------------------------------------------------------------------

    def _work(self) -> None:
        task, world = self._task, self._world
        if isinstance(task, protocol.Wait):
            self._task = None
            self.report(protocol.Waited(era=task.era))
            return
        assert task is not None
        if isinstance(task, protocol.Open) and self._stage == 0:
            self._generation = world.generation
        if self._generation != world.generation:
            self.fail("connection lost")
            return
        chance = world.chance
        if chance.fault("lane request lost"):
            self.fail("request lost")
            return
        request = self._request(task)
        if chance.fault("lane request late"):
            world.later(request)
            self.fail("request late")
            return
        done = request()
        if done is False or chance.fault("lane answer lost"):
            if done is False:
                chance.counts["lane fenced"] += 1
            self.fail("fenced" if done is False else "answer lost")
        elif done:
            self._stage += 1
            self._next(task)

    def _next(self, task: "protocol.Open | protocol.Transact[Result]") -> None:
        if isinstance(task, protocol.Open):
            if self._stage == len(producer.OPENING):
                self._task = None
                self.report(protocol.Opened(era=task.era, offset=self._producer.offset))
        elif self._stage == producer.TRANSACTION_STAGES:
            self._task = None
            self.report(protocol.Committed(era=task.era))

    def _request(self, task: "protocol.Open | protocol.Transact[Result]") -> producer.Request:
        """Return the next request."""
        if isinstance(task, protocol.Transact):
            return self._producer.transaction(self._stage, task)
        era = task.era
        return self._producer.opening(self._stage, lambda: era == self.lane.era and not self.closed)
