"""The lane's protocol in a simulated world where everything fails at the worst moment.

Two processes fight over one partition. A transaction may be lost, may be applied although its
owner was told that it failed, may be answered late; processes crash, hang and come back as
zombies. The only fence is the epoch of the transactional id, as on a real broker.
"""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.detector import lane as protocol
from consumers.detector.lane import Lane, Taken

FRAMES = 60
STEPS = 600
Key = tuple[str, int, int]


@dataclass
class Broker:
    """The partition's input, the committed offset, what was written, and the fence."""

    frames: list[Key]
    committed: int = 0
    epoch: int = 0
    written: list[int] = field(default_factory=list)

    def fence(self) -> int:
        self.epoch += 1
        return self.epoch

    def commit(self, epoch: int, results: tuple[int, ...], next_offset: int) -> bool:
        if epoch != self.epoch:
            return False
        self.written += results
        self.committed = next_offset
        return True


class Process:
    """A lane and the IO around it, one step at a time, with faults."""

    def __init__(self, broker: Broker, chance: random.Random, *, faults: bool = True) -> None:
        self.broker = broker
        self.faults = faults
        self.chance = chance
        self.epoch = 0
        self.start()

    def start(self) -> None:
        self.lane: Lane[int, int] = Lane()
        self.position: int | None = None
        self.todo: list[tuple[int, int]] = []
        self.running: protocol.Open | protocol.Transact[int] | protocol.Wait | None = None
        self.report(protocol.Assigned())

    def report(self, event: protocol.Event[int, int]) -> None:
        for action in self.lane.handle(event):
            match action:
                case protocol.Process(era=era, messages=messages):
                    self.todo += [(era, message.offset) for message in messages]
                case protocol.Start(offset=offset):
                    self.position = offset
                case protocol.Abandon() | protocol.Linger() | protocol.Close():
                    self.todo = [] if self.chance.random() < 0.5 else self.todo
                case protocol.Open() | protocol.Transact() | protocol.Wait():
                    assert not isinstance(self.running, protocol.Transact)
                    self.running = action

    def step(self) -> None:
        step = self.chance.choice((self.fetch, self.finish, self.finish, self.io, self.io))
        step()

    def fetch(self) -> None:
        if self.position is None:
            return
        end = min(self.position + self.chance.randrange(1, 8), len(self.broker.frames))
        found = tuple(
            Taken(offset=offset, key=self.broker.frames[offset], work=offset)
            for offset in range(self.position, end)
        )
        if self.lane.takes:
            self.position = end
        self.report(protocol.Fetched(messages=found))

    def finish(self) -> None:
        if self.todo:
            era, offset = self.todo.pop(self.chance.randrange(len(self.todo)))
            self.report(protocol.Finished(era=era, offset=offset, result=offset))

    def io(self) -> None:
        running, self.running = self.running, None
        match running:
            case protocol.Open(era=era):
                self.epoch = self.broker.fence()
                if self.faults and self.chance.random() < 0.1:
                    self.report(protocol.Failed(era=era, reason="open"))
                else:
                    self.report(protocol.Opened(era=era, offset=self.broker.committed))
            case protocol.Transact(era=era, results=results, next_offset=next_offset):
                fault = self.chance.random() if self.faults else 1.0
                applied = fault > 0.1 and self.broker.commit(self.epoch, results, next_offset)
                if applied and fault > 0.2:
                    self.report(protocol.Committed(era=era))
                else:
                    self.report(protocol.Failed(era=era, reason="commit"))
            case protocol.Wait(era=era):
                self.report(protocol.Waited(era=era))

    def lose_connection(self) -> None:
        """The connection breaks while a transaction is under way: its commit may still arrive."""
        running = self.running
        if isinstance(running, protocol.Transact):
            self.running = None
            if self.chance.random() < 0.5:
                self.broker.commit(self.epoch, running.results, running.next_offset)
        self.report(protocol.Failed(era=self.lane.era, reason="connection"))

    def hand_over(self) -> None:
        """The group moves the partition away and gives it back."""
        self.report(protocol.Revoked())
        if isinstance(self.running, protocol.Transact):
            self.io()
        self.start()


def simulate(seed: int) -> None:
    """Two processes through many faults; then one alone finishes, and the result is looked at."""
    chance = random.Random(seed)
    broker = Broker(frames=[("gate", 1, seq) for seq in range(FRAMES)])
    processes = [Process(broker, chance), Process(broker, chance)]
    for _ in range(STEPS):
        process = chance.choice(processes)
        match chance.randrange(60):
            case 0:
                process.start()
            case 1:
                process.lose_connection()
            case 2:
                process.hand_over()
            case _:
                process.step()
    survivor = processes[0]
    survivor.start()
    for _ in range(5_000):
        if broker.committed == FRAMES:
            break
        survivor.step()
    assert broker.committed == FRAMES
    assert broker.written == list(range(FRAMES))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_every_frame_is_written_exactly_once_and_in_order(seed: int) -> None:
    simulate(seed)


def test_the_simulation_notices_a_lane_that_trusts_its_own_position(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = Lane._opened

    def trusting(lane: Lane[int, int], era: int, offset: int) -> tuple[object, ...]:
        return right(lane, era, lane._next_take or offset)

    monkeypatch.setattr(Lane, "_opened", trusting)
    with pytest.raises(AssertionError):
        for seed in range(50):
            simulate(seed)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_copies_in_the_input_are_passed_over_while_nothing_fails(seed: int) -> None:
    chance = random.Random(seed)
    frames = [("gate", 1, seq) for seq in range(FRAMES)]
    for _ in range(20):
        copied = ("gate", 1, chance.randrange(FRAMES))
        frames.insert(chance.randrange(frames.index(copied) + 1, len(frames) + 1), copied)
    broker = Broker(frames=frames)
    process = Process(broker, chance, faults=False)
    for _ in range(2_000):
        process.step()
    assert broker.committed == len(frames)
    assert [frames[offset] for offset in broker.written] == [("gate", 1, n) for n in range(FRAMES)]
