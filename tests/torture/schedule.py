"""The faults of a plan: kinds, targets and times, drawn so that none waits long for another.

Kinds come from a shuffled deck, so that even a short schedule has many of them. What a fault
`touches` is held by one fault at a time.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from wire.frames import Tier
from wire.streams import StreamSpec

GAP_S = 2.2
"""Between the beginnings of two faults, on average."""
FIRST_S = 0.5
ATTEMPTS_MAX = 12
LINKS = ("kafka", "postgres", "redis", "gateway")
TOP_UP_MILLITOKENS = (500, 10_000)


class Kind(StrEnum):
    """What can be done to the world."""

    KILL = "kill"
    FREEZE = "freeze"
    ROLL = "roll"
    SCALE_OUT = "scale out"
    SCALE_IN = "scale in"
    KAFKA_KILL = "kafka kill"
    POSTGRES_ABORT = "postgres abort"
    VALKEY_FLUSH = "valkey flush"
    VALKEY_KILL = "valkey kill"
    LINK_DELAY = "link delay"
    LINK_STALL = "link stall"
    LINK_CUT = "link cut"
    LINK_HALF_CLOSE = "link half-close"
    USAGE_AGAIN = "usage again"
    BILLER_RESET = "biller reset"
    DETECTOR_RESET = "detector reset"
    MOVE = "stream move"
    TOP_UP = "top up"


DECK = {
    Kind.KILL: 6,
    Kind.FREEZE: 3,
    Kind.ROLL: 2,
    Kind.SCALE_OUT: 1,
    Kind.SCALE_IN: 1,
    Kind.KAFKA_KILL: 1,
    Kind.POSTGRES_ABORT: 1,
    Kind.VALKEY_FLUSH: 1,
    Kind.VALKEY_KILL: 1,
    Kind.LINK_DELAY: 1,
    Kind.LINK_STALL: 1,
    Kind.LINK_CUT: 2,
    Kind.LINK_HALF_CLOSE: 1,
    Kind.USAGE_AGAIN: 2,
    Kind.BILLER_RESET: 1,
    Kind.DETECTOR_RESET: 1,
    Kind.MOVE: 3,
    Kind.TOP_UP: 3,
}
"""How many cards of each kind; the deck is used up before it is shuffled again."""

LASTS_S = {
    Kind.KILL: (0.0, 2.0),
    Kind.FREEZE: (6.5, 11.0),
    Kind.ROLL: (0.0, 1.0),
    Kind.SCALE_OUT: (6.0, 15.0),
    Kind.SCALE_IN: (4.0, 10.0),
    Kind.KAFKA_KILL: (0.0, 4.0),
    Kind.POSTGRES_ABORT: (0.0, 4.0),
    Kind.VALKEY_KILL: (0.0, 4.0),
    Kind.LINK_DELAY: (2.0, 6.0),
    Kind.LINK_STALL: (1.0, 8.0),
    Kind.LINK_CUT: (0.0, 3.0),
    Kind.LINK_HALF_CLOSE: (0.0, 1.0),
}
"""How long a fault lasts; kinds that are not named are over when they are done."""

RECOVERY_S = {Kind.KAFKA_KILL: 8.0, Kind.BILLER_RESET: 6.0, Kind.DETECTOR_RESET: 10.0}
RECOVERY_OTHERS_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that happens. `amount` is millitokens of a top-up, milliseconds of a delay, or
    how many records are taken again (0: all); `spec` is what a stream becomes."""

    at_s: float
    kind: Kind
    target: str
    seconds: float = 0.0
    amount: int = 0
    spec: StreamSpec | None = None
    touches: frozenset[str] = frozenset()

    def line(self) -> str:
        """Say it in a line."""
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        amount = f" ({self.amount})" if self.amount else ""
        to = f" to {described(self.spec)}" if self.spec else ""
        return f"{self.at_s:6.1f} s  {self.kind} {self.target}{lasts}{amount}{to}"


def described(spec: StreamSpec) -> str:
    """Return what a camera is, short."""
    return f"{spec.model} {spec.height}x{spec.width} {spec.tier} {spec.fps:g} fps"


def draw_faults(
    rng: random.Random,
    seconds: float,
    cameras: Sequence[StreamSpec],
    accounts: Sequence[str],
    processes: Mapping[str, int],
) -> tuple[Fault, ...]:
    """Return the schedule, sorted by time."""
    drawer = _Drawer(rng, cameras, accounts, processes)
    at_s = FIRST_S
    faults = []
    while at_s < seconds:
        fault = drawer.fault(at_s)
        if fault is not None:
            faults.append(fault)
        at_s += rng.expovariate(1 / GAP_S)
    return tuple(faults)


class _Drawer:
    """Draws one fault after another and knows what is still busy."""

    def __init__(
        self,
        rng: random.Random,
        cameras: Sequence[StreamSpec],
        accounts: Sequence[str],
        processes: Mapping[str, int],
    ) -> None:
        self._rng = rng
        self._cameras = {camera.stream: camera for camera in cameras}
        self._accounts = accounts
        self._processes = processes
        self._models = sorted({camera.model for camera in cameras})
        self._busy_until: dict[str, float] = {}
        self._deck: list[Kind] = []

    def fault(self, at_s: float) -> Fault | None:
        """Draw cards until one can be played now; the others go back below the deck."""
        for _ in range(ATTEMPTS_MAX):
            if not self._deck:
                self._deck = [kind for kind, cards in DECK.items() for _ in range(cards)]
                self._rng.shuffle(self._deck)
            kind = self._deck.pop()
            fault = self._drawn(kind, round(at_s, 1))
            if all(self._busy_until.get(touched, 0.0) <= at_s for touched in fault.touches):
                self._take(fault)
                return fault
            self._deck.insert(0, kind)
        return None

    def _take(self, fault: Fault) -> None:
        over_s = fault.at_s + fault.seconds + RECOVERY_S.get(fault.kind, RECOVERY_OTHERS_S)
        self._busy_until |= dict.fromkeys(fault.touches, over_s)
        if fault.spec is not None:
            self._cameras[fault.target] = fault.spec

    def _drawn(self, kind: Kind, at_s: float) -> Fault:
        rng = self._rng
        seconds = round(rng.uniform(*LASTS_S[kind]), 1) if kind in LASTS_S else 0.0
        target, touches, amount, spec = kind.value, frozenset[str](), 0, None
        match kind:
            case Kind.KILL | Kind.FREEZE | Kind.ROLL:
                target = rng.choice([*self._names()])
                touches = frozenset({target})
            case Kind.SCALE_OUT | Kind.SCALE_IN:
                role = rng.choice(sorted(self._processes))
                last = self._processes[role]
                target = f"{role}-{last + 1 if kind is Kind.SCALE_OUT else rng.randint(1, last)}"
                touches = frozenset({target})
            case Kind.KAFKA_KILL:
                touches = frozenset({"kafka"})
            case Kind.POSTGRES_ABORT:
                touches = frozenset({"postgres"})
            case Kind.VALKEY_FLUSH | Kind.VALKEY_KILL:
                touches = frozenset({"redis"})
            case Kind.LINK_DELAY | Kind.LINK_STALL | Kind.LINK_CUT | Kind.LINK_HALF_CLOSE:
                target = rng.choice(LINKS)
                touches = frozenset({f"link {target}"})
                amount = rng.randint(20, 400) if kind is Kind.LINK_DELAY else 0
            case Kind.USAGE_AGAIN:
                touches = frozenset({"kafka"})
                amount = rng.randint(5, 60)
            case Kind.BILLER_RESET:
                touches = frozenset({"postgres", *self._all_of("biller")})
            case Kind.DETECTOR_RESET:
                touches = frozenset({"kafka", *self._all_of("detector")})
                amount = rng.choice((0, 5, 50))
            case Kind.MOVE:
                target = rng.choice(sorted(self._cameras))
                touches = frozenset({target})
                spec = self._moved(self._cameras[target])
            case Kind.TOP_UP:
                target = rng.choice(self._accounts)
                touches = frozenset({f"account {target}"})
                amount = rng.randint(*TOP_UP_MILLITOKENS)
        return Fault(
            at_s=at_s,
            kind=kind,
            target=target,
            seconds=seconds,
            amount=amount,
            spec=spec,
            touches=touches,
        )

    def _names(self) -> Iterator[str]:
        for role, count in self._processes.items():
            yield from (f"{role}-{number}" for number in range(1, count + 1))

    def _all_of(self, role: str) -> list[str]:
        """Return the names of a role's processes, with the one that scaling out may add."""
        return [f"{role}-{number}" for number in range(1, self._processes[role] + 2)]

    def _moved(self, spec: StreamSpec) -> StreamSpec:
        """Return the spec with another tier or another model."""
        others = [model for model in self._models if model != spec.model]
        if self._rng.random() < 0.5 and others:
            return msgspec.structs.replace(spec, model=self._rng.choice(others))
        tier = Tier.STANDARD if spec.tier is Tier.PRIORITY else Tier.PRIORITY
        return msgspec.structs.replace(spec, tier=tier)
