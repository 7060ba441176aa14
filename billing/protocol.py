"""A biller's partitions as a state machine: events in, actions out, no IO, no clock.

Each assigned partition is claiming, ready or writing. Its `era` grows whenever what was under way
stops to matter (a new assignment, a seek, a failure, a fence); what comes back from an older era
is ignored. There is one cure for every failure: claim again, and read on from where the ledger
says. No frame is charged twice whatever happens here (the ledger's transaction sees to that), but
that none is skipped depends on it: every seek makes void what was fetched before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.batches import Message

CLAIM_WAIT_S_FIRST = 0.25
CLAIM_WAIT_S_MAX = 4.0
FENCE_WAIT_S = 1.0
"""A fenced owner that Kafka still assigns the partition to waits this long before it claims."""


class Phase(StrEnum):
    """What is under way for a partition."""

    CLAIMING = "claiming"
    READY = "ready"
    WRITING = "writing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Become the owner in the ledger, after `wait_s`; answer `claimed` or `failed`."""

    partition: int
    era: int
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seek:
    """Read on from `offset`."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBatch:
    """Write the messages in one transaction; answer `committed`, `fenced` or `failed`."""

    partition: int
    era: int
    owner_epoch: int
    messages: Sequence[Message]
    watermark: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOffset:
    """Tell Kafka how far the ledger is, for lag only."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadToEnd:
    """At `at` the partition ended at `offset`; all below is decided and has been handed out."""

    at: datetime
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveWatermark:
    """Tell the ledger that all that was there at `at` is in it. It never moves the position.

    Answer `fenced` when the ledger knows another owner: an idle partition has no batch to learn it
    from, and its watermark would stand still for ever.
    """

    partition: int
    era: int
    owner_epoch: int
    at: datetime


Action = Claim | Seek | WriteBatch | CommitOffset | MoveWatermark


@dataclass(slots=True, kw_only=True)
class _Partition:
    era: int
    phase: Phase = Phase.CLAIMING
    owner_epoch: int = 0
    told_offset: int = 0
    """What Kafka was told last, for lag only."""
    failures: int = 0


class BillerProtocol:
    """The partitions of one member of the biller's group."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}
        self._era = 0

    def assigned(self, partitions: Iterable[int]) -> list[Action]:
        """Kafka gave us these partitions, anew or again: claim each."""
        actions: list[Action] = []
        for partition in sorted(partitions):
            self._partitions[partition] = _Partition(era=self._next_era())
            actions.append(self._claim(partition, wait_s=0.0))
        return actions

    def revoked(self, partitions: Iterable[int]) -> list[Action]:
        """Kafka took these partitions away: whatever is under way for them is not ours to mind."""
        for partition in partitions:
            self._partitions.pop(partition, None)
        return []

    def claimed(self, partition: int, era: int, owner_epoch: int, next_offset: int) -> list[Action]:
        """The ledger knows us as the owner."""
        state = self._current(partition, era)
        if state is None:
            return []
        assert state.phase is Phase.CLAIMING
        state.era = self._next_era()  # what was fetched before the seek is void
        state.phase = Phase.READY
        state.owner_epoch = owner_epoch
        state.told_offset = next_offset
        return [Seek(partition=partition, offset=next_offset)]

    def era(self, partition: int) -> int:
        """Return the partition's era, to be given back with what was fetched in it; 0: not ours."""
        state = self._partitions.get(partition)
        return 0 if state is None else state.era

    def fetched(
        self, partition: int, era: int, messages: Sequence[Message], end: ReadToEnd | None
    ) -> list[Action]:
        """Messages came, or none; `end` is given when nothing more was there.

        Messages of an older era, or that come while the partition is not ready, are dropped: a
        seek follows.
        """
        state = self._current(partition, era)
        if state is None or state.phase is not Phase.READY:
            return []
        if messages:
            state.phase = Phase.WRITING
            return [
                WriteBatch(
                    partition=partition,
                    era=state.era,
                    owner_epoch=state.owner_epoch,
                    messages=messages,
                    watermark=None if end is None else end.at,
                )
            ]
        return [] if end is None else self._at_end(partition, state, end)

    def _at_end(self, partition: int, state: _Partition, end: ReadToEnd) -> list[Action]:
        actions: list[Action] = [
            MoveWatermark(
                partition=partition, era=state.era, owner_epoch=state.owner_epoch, at=end.at
            )
        ]
        if end.offset > state.told_offset:  # what lay between were control records
            state.told_offset = end.offset
            actions.append(CommitOffset(partition=partition, offset=end.offset))
        return actions

    def committed(self, partition: int, era: int, next_offset: int) -> list[Action]:
        """The batch is in the ledger."""
        state = self._current(partition, era)
        if state is None:
            return []
        assert state.phase is Phase.WRITING
        state.phase = Phase.READY
        state.failures = 0
        state.told_offset = next_offset
        return [CommitOffset(partition=partition, offset=next_offset)]

    def fenced(self, partition: int, era: int) -> list[Action]:
        """Another owner claimed the partition: drop it, unless Kafka goes on giving it to us."""
        return self._start_over(partition, era, FENCE_WAIT_S)

    def failed(self, partition: int, era: int) -> list[Action]:
        """A claim or a write failed, or nobody knows: claim again, a little later each time."""
        state = self._current(partition, era)
        failures = 0 if state is None else state.failures
        return self._start_over(
            partition, era, min(CLAIM_WAIT_S_FIRST * 2**failures, CLAIM_WAIT_S_MAX)
        )

    def in_phase(self, phase: Phase) -> list[int]:
        """Return the partitions of which this is under way."""
        return [partition for partition, state in self._partitions.items() if state.phase is phase]

    def _start_over(self, partition: int, era: int, wait_s: float) -> list[Action]:
        state = self._current(partition, era)
        if state is None:
            return []
        state.era = self._next_era()
        state.phase = Phase.CLAIMING
        state.failures = min(state.failures + 1, 16)
        return [self._claim(partition, wait_s=wait_s)]

    def _claim(self, partition: int, *, wait_s: float) -> Claim:
        return Claim(partition=partition, era=self._partitions[partition].era, wait_s=wait_s)

    def _current(self, partition: int, era: int) -> _Partition | None:
        state = self._partitions.get(partition)
        return state if state is not None and state.era == era else None

    def _next_era(self) -> int:
        self._era += 1
        return self._era
