"""A small world of owners, detectors, billers and a janitor, made and driven from one seed.

At each step one actor does one thing, or something happens to one: a crash, a freeze, a rebalance,
a broker that restarts, time that passes. What the network still carries arrives within `LATE_S`,
which the janitor's slack must cover; what a coordinator has decided may be told much later.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from pipeline.contract import Contract
from tests.simulation.biller import Biller
from tests.simulation.chance import Chance
from tests.simulation.chaos import Chaos
from tests.simulation.kafka import Coordinator, GroupOffset, Log
from tests.simulation.lanes import LaneActor
from tests.simulation.ledger import Ledger
from tests.simulation.owner import Frame, Owner
from tests.simulation.rows import FRAME_AGE_S
from wire.frames import Tier
from wire.sessions import WhenUnreachable

STEP_S = 0.02
LATE_S = 1.5
MARKERS_S = (1.5, 1.5, 1.5, 1e9)
"""After how long markers are written at the latest; in some worlds nobody hurries."""
TRANSACTION_S = 2.0
"""A broker aborts a transaction that has not ended by then."""
BALANCES = (0, 2, 5, 9, 14, 20, 30, 50)
"""What an account starts with, in frames."""
PRICES = (7, 700, 1_000, 5_625)

POLICIES = (WhenUnreachable.FINISH, WhenUnreachable.STOP)
PACES = (0.15, 0.4, 1.0)
"""Frames a second: how many frames a grant asks for at a time."""

CONTRACTS = [
    [
        Contract(
            account=account,
            stream=stream,
            model="park-n",
            height=384,
            width=512,
            tier=Tier.STANDARD,
            max_age_ms=round(FRAME_AGE_S * 1_000),
            frames_per_second=pace,
        )
        for pace in PACES
    ]
    for stream, account in (("gate", "acme"), ("yard", "acme"), ("dock", "bolt"))
]


class World:
    """Everything there is, and what time it is."""

    def __init__(
        self, seed: int, counts: Counter[str], trace: Callable[[str], None] | None = None
    ) -> None:
        self.chance = chance = Chance(seed, counts)
        self.trace = trace
        self.now = 0.0
        self.markers_s = MARKERS_S[chance.below(4)]
        self.generation = 0
        """Grows when the broker restarts: connections of an older one are broken."""
        self.repeats: set[int] = set()
        """Inputs whose detections may repeat: their position or a marker was truly lost."""
        self.holes: set[int] = set()
        """Inputs of which a broker may have lost frames that it had committed."""
        self._late: list[tuple[float, Callable[[], Any]]] = []
        self._due_at = 0.0
        self._build(chance)

    def _build(self, chance: Chance) -> None:
        below = chance.below
        columns, inputs = ((1, 1), (1, 1), (1, 2), (2, 2))[below(4)]
        self.inputs: list[list[Frame]] = [[] for _ in range(inputs)]
        self.offsets = [GroupOffset() for _ in range(inputs)]
        self.coordinators = [Coordinator(producer) for producer in range(inputs)]
        self.usage = [Log() for _ in range(columns)]
        self.detections = [Log() for _ in range(columns)]
        self.ledger = Ledger(
            {
                name: (price * BALANCES[below(8)] + below(price), price)
                for name in ("acme", "bolt")
                for price in (PRICES[below(4)],)
            },
            columns,
        )
        self.ledger.policies = {name: POLICIES[below(2)] for name in self.ledger.prices}
        self.owners = []
        for number in range(1 + below(3)):
            stream = number * (1 + below(2)) % 3  # sometimes two owners of one stream
            contract = CONTRACTS[stream][below(3)]
            self.owners.append(Owner(self, f"owner {number}", contract, stream % inputs))
        self.detector_count = 1 + below(3)
        self.lanes: list[LaneActor] = []
        self.holders: list[LaneActor | None] = [None] * inputs
        self._lives = 0
        for index in range(inputs):
            self.open_lane(index)
        self.billers = [Biller(self, f"biller {n}") for n in range(1 + below(3))]
        self.readers = [self.billers[below(len(self.billers))] for _ in range(columns)]
        for partition, reader in enumerate(self.readers):
            reader.assign(partition)
        self.chaos = Chaos(self)
        if chance.roll() < 0.8:
            self._warm_up()

    def _warm_up(self) -> None:
        """Let lanes open and billers claim, so that trouble meets work."""
        self.chance.calm = True
        for actor in self.lanes:
            for _ in range(4):
                actor.step()
                while self.mark_one():
                    pass
        for reader in self.readers:
            reader.step()
        self.chance.calm = False

    def column(self, index: int) -> tuple[Log, Log]:
        """Return the output logs of an input: detections and usage."""
        place = index % len(self.usage)
        return self.detections[place], self.usage[place]

    def open_lane(self, index: int) -> None:
        """Give an input to some detector."""
        self._lives += 1
        actor = LaneActor(self, index, self.chance.below(self.detector_count), self._lives)
        self.holders[index] = actor
        self.lanes.append(actor)

    # Time ---------------------------------------------------------------------------------------

    def later(self, request: Callable[[], Any]) -> None:
        """Let a request arrive after its sender has given it up."""
        at = self.now + self.chance.roll() * LATE_S
        self._late.append((at, request))
        self._due_at = min(self._due_at, at)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        while seconds > 0:
            self.now += min(seconds, 0.5)
            seconds -= 0.5
            if self.now >= self._due_at:
                self._settle()

    def _settle(self) -> None:
        """Do what is due: late requests, transactions and markers that took too long."""
        self._due_at = self.now + 0.5
        if self._late:
            due = [request for at, request in self._late if at <= self.now]
            if due:
                self._late = [item for item in self._late if item[0] > self.now]
                for request in due:
                    request()
            self._due_at = min([self._due_at, *(at for at, _ in self._late)])
        for coordinator in self.coordinators:
            if coordinator.ongoing and self.now - coordinator.since > TRANSACTION_S:
                coordinator.expire(self.now)
                self.chance.counts["transaction timed out"] += 1
            if coordinator.unmarked and self.now - coordinator.since > self.markers_s:
                while coordinator.unmarked:
                    coordinator.mark(0)

    # Steps --------------------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """Let anything happen, in any order."""
        chance, roll, rate = self.chance, self.chance.roll, self.chaos.rate
        for _ in range(steps):
            self.now += roll() * STEP_S * 2
            if self.now >= self._due_at:
                self._settle()
            if roll() < rate:
                self.chaos.strike()
            self._step(chance, roll())

    def work_on(self, rounds: int) -> None:
        """Let lanes and billers go on, with what can go wrong in their work, and nothing else."""
        chance, roll = self.chance, self.chance.roll
        for _ in range(rounds):
            self.now += roll() * STEP_S * 2
            if self.now >= self._due_at:
                self._settle()
            self._step(chance, 0.33 + 0.64 * roll())

    def _step(self, chance: Chance, roll: float) -> None:
        """Let one actor do one thing."""
        if roll < 0.33:
            owners = self.owners
            owner = owners[int(chance.roll() * len(owners))]
            if owner.frozen_until <= self.now:
                owner.step()
        elif roll < 0.67:
            lanes = self.lanes
            lane = lanes[int(chance.roll() * len(lanes))]
            if lane.closed:
                lanes.remove(lane)
            elif lane.frozen_until <= self.now:
                lane.step()
        elif roll < 0.9:
            billers = self.readers if chance.roll() < 0.85 else self.billers
            biller = billers[int(chance.roll() * len(billers))]
            if biller.frozen_until <= self.now:
                biller.step()
        elif roll < (0.97 if self.markers_s < TRANSACTION_S else 0.92):
            while self.mark_one() and chance.roll() < 0.6:
                pass
        else:
            chance.counts["sessions expired"] += self.ledger.expire(self.now)

    def mark_one(self) -> bool:
        """Let a coordinator tell one partition what was decided; False: nothing is untold."""
        for coordinator in self.coordinators:
            if coordinator.unmarked:
                coordinator.mark(self.chance.below(len(coordinator.unmarked)))
                return True
        return False
