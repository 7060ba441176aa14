"""What was measured, and what it makes worth waiting for. Pure; seconds are passed in.

`EngineTime` learns that a batch of n takes fixed + n x each seconds; `Rate` how much arrives in a
second; `Share` how much work a stream that always waits gets in a second. All forget slowly and
take constant time and memory.
"""

import math

KEPT_PER_BATCH = 0.98
"""Weight that a measured batch has after the next one: about fifty count."""
SPREAD_MIN = 0.1
"""Least variance of the batch sizes from which a fixed part can be told from the rest."""
OUTLIER = 4.0
"""A batch that took more than this many times what was expected counts as this many times."""
SETTLED = 3.0
"""Weight of the batches from which on there is something to expect."""
DEARER = 0.02
"""By which part a frame's engine time may rise so that a batch is shorter."""
DEARER_URGENT = 0.5
"""The same while priority frames come: a third of the throughput."""
BATCH_S = 0.1
"""How long a batch may take if a larger one would hardly be cheaper a frame."""
RATE_S = 2.0
SHARE_S_MIN = 0.3
"""Least time under load after which a share counts as measured."""
LOAD_S = 1.0
"""How long after frames were left waiting an idle engine is no sign that there is room."""
SHARE_S = 1.0
SHARE_S_MAX = 10.0
SHARE_TURNS = 3.0


class EngineTime:
    """How long the engine takes for a batch, by its size: a straight line, fitted as it goes."""

    def __init__(self) -> None:
        self._weight = 0.0
        self._sizes = 0.0
        self._seconds = 0.0
        self._squares = 0.0
        self._products = 0.0
        self._fixed_s: float | None = None

    def observe(self, size: int, seconds: float) -> None:
        """Learn that a batch of `size` took `seconds`."""
        assert size > 0
        assert seconds >= 0
        expected = self.seconds(size)
        if expected is not None and self._weight > SETTLED:
            seconds = min(seconds, OUTLIER * expected)
        keep = KEPT_PER_BATCH
        self._weight = self._weight * keep + 1
        self._sizes = self._sizes * keep + size
        self._seconds = self._seconds * keep + seconds
        self._squares = self._squares * keep + size * size
        self._products = self._products * keep + size * seconds
        self._fit()

    def seconds(self, size: int) -> float | None:
        """Return how long a batch of `size` will take; None before anything was measured.

        While all batches had the same size, time is taken to grow with the size alone.
        """
        if not self._weight:
            return None
        fixed = self._fixed_s or 0.0
        return fixed + (self._mean_s - fixed) * size / self._mean_size

    def fixed_s_max(self) -> float | None:
        """Return the part that does not grow with the size, or the most that it can be."""
        if not self._weight:
            return None
        return self._mean_s if self._fixed_s is None else self._fixed_s

    def size_within(self, seconds: float, size_max: int) -> int:
        """Return the largest size, from 1 to `size_max`, that takes at most `seconds`."""
        if not self._weight:
            return size_max
        fixed = self._fixed_s or 0.0
        each = (self._mean_s - fixed) / self._mean_size
        if each <= 0:
            return size_max
        return max(1, int(min((seconds - fixed) / each, size_max)))

    def size_worth(self, size_max: int, *, dearer: float) -> int:
        """Return the smallest size of which a frame is no `dearer` than in one of `size_max`."""
        fixed = self._fixed_s or 0.0
        if not fixed:
            return 1
        each = (self._mean_s - fixed) / self._mean_size
        dear = (1 + dearer) * fixed / size_max + dearer * each
        return min(math.ceil(fixed / dear), size_max)

    @property
    def _mean_size(self) -> float:
        return self._sizes / self._weight

    @property
    def _mean_s(self) -> float:
        return self._seconds / self._weight

    def _fit(self) -> None:
        """Least squares; sizes that hardly differ leave the fixed part as it was."""
        size, seconds = self._mean_size, self._mean_s
        variance = self._squares / self._weight - size * size
        if variance >= SPREAD_MIN:
            slope = (self._products / self._weight - size * seconds) / variance
            self._fixed_s = seconds - min(max(slope, 0.0), seconds / size) * size
        elif self._fixed_s is not None:
            self._fixed_s = min(self._fixed_s, seconds)


class Rate:
    """How much arrives in a second, as of the last arrival."""

    def __init__(self) -> None:
        self._amount = 0.0
        self._at = float("-inf")

    def add(self, now: float, amount: float) -> None:
        """Count what arrived."""
        self._amount = self._amount * math.exp(min(self._at - now, 0.0) / RATE_S) + amount
        self._at = max(self._at, now)

    @property
    def per_s(self) -> float:
        """What arrives in a second."""
        return self._amount / RATE_S


class Share:
    """How much work a stream that always waits gets in a second: how fast turns go round.

    Measured only between two batches of which the first left something waiting; forgotten when a
    free engine finds nothing to do and `LOAD_S` ago was the last batch that left something, for
    then everything can be served.
    """

    def __init__(self) -> None:
        self._work = 0.0
        self._turn = 0.0
        self._seconds = 0.0
        self._since: tuple[float, float] | None = None
        self._load_at = float("-inf")

    def idle(self, now: float) -> None:
        """Learn that an engine found nothing to do."""
        self._since = None
        if now - self._load_at > LOAD_S:
            self._work = self._seconds = 0.0

    def batch(self, now: float, *, served: float, turn: float, more: bool) -> None:
        """Learn that a batch left at `now`.

        `served` is what each waiting stream had been given when the batch was begun (its virtual
        time), `turn` the cost of one frame, `more` says whether frames are left waiting.
        """
        if self._since is not None:
            passed = now - self._since[0]
            known = self._work / self._seconds if self._seconds else 0.0
            turns_s = SHARE_TURNS * turn / known if known else SHARE_S_MAX
            memory_s = min(max(SHARE_S, turns_s), SHARE_S_MAX)
            keep = math.exp(-passed / memory_s)
            self._work = self._work * keep + served - self._since[1]
            self._seconds = self._seconds * keep + passed
        self._turn = turn
        self._since = (now, served) if more else None
        self._load_at = now if more else self._load_at

    @property
    def per_s_max(self) -> float | None:
        """The most that the share can be (the turn that runs may be over); None: not known."""
        if self._seconds < SHARE_S_MIN:
            return None
        return (self._work + self._turn) / self._seconds


class Pace:
    """How fast the frames of a group come, and how fast the engine works on them."""

    def __init__(self) -> None:
        self.engine = EngineTime()
        self.arrivals = Rate()

    def size_limit(self, size_max: int) -> int:
        """Return how large a batch may be: longer than `BATCH_S` only where size pays."""
        engine = self.engine
        return max(
            engine.size_within(BATCH_S, size_max), engine.size_worth(size_max, dearer=DEARER)
        )

    def size_limit_urgent(self, size_max: int, wait_s: float) -> int:
        """Return the same while priority frames come, which may have to wait for the batch."""
        engine = self.engine
        short = max(
            engine.size_within(wait_s, size_max), engine.size_worth(size_max, dearer=DEARER_URGENT)
        )
        return min(short, self.size_limit(size_max))

    @property
    def worth_waiting_for(self) -> float:
        """The size from which on waiting no longer pays.

        While n wait, each more saves fixed / n seconds of engine time for every one of them, and
        waiting for rate x seconds more costs these seconds: it pays while n < rate x fixed.
        """
        fixed_s = self.engine.fixed_s_max()
        return float("inf") if fixed_s is None else max(1.0, self.arrivals.per_s * fixed_s)
