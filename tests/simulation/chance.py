"""What chance decides in one schedule: every draw comes from one seed, every fault is counted.

Each schedule draws its own rates: some kinds of fault are off, some rare, some frequent, so that
over many schedules deep runs of one kind of trouble occur as well as mixtures of all.
"""

import random
from collections import Counter
from collections.abc import Callable

RATES = (0.0, 0.02, 0.05, 0.15)
"""How probable a fault is each time that it could happen; drawn for each kind and schedule."""

CALLS = ("call lost", "call answer lost", "call late", "call repeated", "call answer slow")
SENDS = ("send lost", "send answer lost", "send late", "send copied")
LANES = ("lane request lost", "lane answer lost", "lane request late", "frames handed out unasked")
WRITES = ("write lost", "write answer lost", "write late", "claim lost", "claim answer lost")
READS = ("claim late", "fetch slow", "poll stale")
BILLERS = frozenset((*WRITES, "claim late", "fetch slow"))
SELDOM_ASKED = (0.0, 0.1, 0.25, 0.5)
"""Rates of what could happen only once or twice in a schedule: a biller's writes and fetches."""
FAULTS = (*CALLS, *SENDS, *LANES, *WRITES, *READS)
"""Faults that an actor meets while it works."""


class Chance:
    """The draws of one schedule. `calm` ends all faults."""

    __slots__ = ("_random", "_rates", "calm", "counts", "roll")

    def __init__(self, seed: int, counts: Counter[str]) -> None:
        self._random = random.Random(seed)
        self.roll: Callable[[], float] = self._random.random
        self.counts = counts
        self.calm = False
        roll = self.roll
        self._rates = {
            kind: (SELDOM_ASKED if kind in BILLERS else RATES)[int(roll() * 4)] for kind in FAULTS
        }

    def fault(self, kind: str) -> bool:
        """Say whether this fault happens now, and count it."""
        if self.calm or self.roll() >= self._rates[kind]:
            return False
        self.counts[kind] += 1
        return True

    def below(self, count: int) -> int:
        """Return a number from 0 to `count` - 1."""
        return int(self.roll() * count)

    def seconds(self, least: float, most: float) -> float:
        """Return a duration."""
        return least + (most - least) * self.roll()
