"""Kafka in memory, as far as exactly-once depends on it: logs, transactions, fences, offsets.

Faithful where it hurts: the outcome of a transaction is decided at its coordinator and told to the
partitions later, by markers; a reader of committed data stops at the first undecided record; a
partition learns a producer's newer epoch only by a write or a marker; and a broker that restarts
may forget to write markers, so that the producer's next marker decides the old records too.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from wire.decided import COMMITTED, NOTHING, Decided


class Fate(IntEnum):
    """What became of records."""

    OPEN = 0
    COMMITTED = 1
    ABORTED = 2


class Part:
    """One producer's records in one log between two markers; they share their fate."""

    __slots__ = ("fate",)

    def __init__(self, fate: Fate = Fate.OPEN) -> None:
        self.fate = fate


PLAIN = Part(Fate.COMMITTED)
"""Written without a transaction."""
CONTROL = Part(Fate.ABORTED)
"""A marker: it takes an offset and is never shown."""


class Log:
    """One partition of a topic that transactions write to."""

    __slots__ = ("_stable", "epochs", "ongoing", "records")

    def __init__(self) -> None:
        self.records: list[tuple[Part, Any]] = []
        self.ongoing: dict[int, Part] = {}
        self.epochs: dict[int, int] = {}
        self._stable = 0

    def write(self, producer: int, epoch: int, values: Sequence[Any]) -> bool:
        """Append a producer's records; False when it is known to be fenced."""
        if epoch < self.epochs.get(producer, 0):
            return False
        self.epochs[producer] = epoch
        part = self.ongoing.get(producer)
        if part is None:
            part = self.ongoing[producer] = Part()
        self.records += [(part, value) for value in values]
        return True

    def mark(self, producer: int, epoch: int, fate: Fate) -> None:
        """Decide all that the producer has written since its last marker."""
        self.epochs[producer] = max(epoch, self.epochs.get(producer, 0))
        part = self.ongoing.pop(producer, None)
        if part is not None:
            part.fate = fate
        self.records.append((CONTROL, None))

    def stable_end(self) -> int:
        """Return the offset of the first record that is not decided yet."""
        records, stable = self.records, self._stable
        while stable < len(records) and records[stable][0].fate is not Fate.OPEN:
            stable += 1
        self._stable = stable
        return stable

    def committed(self) -> list[Any]:
        """Return what a reader of committed data sees now."""
        end = self.stable_end()
        return [value for part, value in self.records[:end] if part.fate is Fate.COMMITTED]


class GroupOffset:
    """The committed offset of one input partition; written in transactions, as logs are.

    A new coordinator of the group has not loaded the newest for a while: until `stale_until` it
    answers with an `older` one, unless it is asked for what is stable.
    """

    __slots__ = ("epoch", "older", "pending", "stale_until", "value")

    def __init__(self) -> None:
        self.value = 0
        self.older = 0
        self.stale_until = 0.0
        self.pending: int | None = None
        self.epoch = 0

    def write(self, _producer: int, epoch: int, values: Sequence[int]) -> bool:
        """Remember an offset until the transaction is decided."""
        if epoch < self.epoch:
            return False
        self.epoch = epoch
        self.pending = values[-1]
        return True

    def mark(self, _producer: int, epoch: int, fate: Fate) -> None:
        """Decide it."""
        self.epoch = max(epoch, self.epoch)
        if self.pending is not None and fate is Fate.COMMITTED:
            self.older, self.value = self.value, self.pending
        self.pending = None


Target = Log | GroupOffset


class Coordinator:
    """The transactions of one transactional id."""

    __slots__ = (
        "_fate",
        "_forgot",
        "_state",
        "added",
        "epoch",
        "ongoing",
        "producer",
        "since",
        "torn",
        "unmarked",
    )

    def __init__(self, producer: int) -> None:
        self.producer = producer
        self.epoch = 0
        self.ongoing = False
        self.torn = False
        self.since = 0.0
        self.added: list[Target] = []
        self.unmarked: list[Target] = []
        self._fate = Fate.ABORTED
        self._forgot = False
        self._state = NOTHING

    def described(self) -> Decided | None:
        """Return how the last transaction was decided; None: ask again, it is being told."""
        if self.unmarked:
            return None
        state = "Ongoing" if self.ongoing else self._state
        return Decided(producer_id=self.producer, epoch=self.epoch, state=state)

    def start(self, now: float) -> int | None:
        """Fence every older producer and return the new epoch; None: ask again."""
        if self.ongoing:
            self.epoch += 1
            self._decide(Fate.ABORTED, now)
        if self.unmarked:
            return None
        self.epoch += 1
        self._state = NOTHING
        return self.epoch

    def add(self, epoch: int, target: Target, now: float) -> bool | None:
        """Let the transaction write to `target`; False: fenced; None: ask again."""
        if epoch != self.epoch:
            return False
        if self.unmarked:
            return None
        if not self.ongoing:
            self.ongoing = True
            self.since = now
        if target not in self.added:
            self.added.append(target)
        return True

    def end(self, epoch: int, fate: Fate, now: float) -> bool:
        """Decide the transaction; False: fenced, or not what was decided before."""
        if epoch != self.epoch:
            return False
        if not self.ongoing:
            return self._fate is fate
        self._decide(fate, now)
        return True

    def expire(self, now: float) -> None:
        """Abort a transaction that took too long; its producer is fenced."""
        self.epoch += 1
        self._decide(Fate.ABORTED, now)

    def _decide(self, fate: Fate, now: float) -> None:
        self.ongoing = False
        self.since = now
        self._fate = fate
        self._forgot = False
        self._state = COMMITTED if fate is Fate.COMMITTED else "CompleteAbort"
        self.unmarked, self.added = self.added, []

    def mark(self, index: int) -> None:
        """Tell one partition what was decided."""
        self.unmarked.pop(index).mark(self.producer, self.epoch, self._fate)
        if not self.unmarked and not self._forgot and self._fate is Fate.COMMITTED:
            self.torn = False

    def forget(self) -> None:
        """Lose the markers that are not written yet, as a broker that restarts was seen to do."""
        self._forgot = True
        self.unmarked.clear()

    def forget_some(self, kept: int) -> None:
        """Lose all but the first of the markers that are not written yet.

        A commit is torn then, until another one has reached all its partitions.
        """
        self._forgot = True
        self.torn |= self._fate is Fate.COMMITTED
        del self.unmarked[kept:]
