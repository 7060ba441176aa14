"""Which frames go into the next batch: full or due, fair over streams, priority first. Pure.

Promises: a batch holds one (model, height, width) and at most `size_max` frames; a stream's
frames leave in the order they came; while a stream waits, no other stream of its group and tier
gets two turns; where both tiers wait, one turn in `PRIORITY_RUN_MAX + 1` goes to the standard
tier; frames older than their maximum age leave as `expired` and take nobody's place. Time is
monotonic seconds, passed in.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from wire.frames import Tier

PRIORITY_RUN_MAX = 7
"""So that a batch of eight always has room for one standard frame."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What the frames of one batch have in common; `canary` is the model's other version."""

    model: str
    height: int
    width: int
    canary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(Generic[T]):
    """One picture that waits for inference; `cost` is its relative work for the engine."""

    group: Group
    tier: Tier
    stream: str
    queued_at: float
    expires_at: float
    cost: float = 1.0
    item: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Generic[T]):
    """Frames for one call of the engine, and those that were found too old on the way."""

    group: Group
    items: tuple[T, ...]
    expired: tuple[T, ...]


class Batcher(Generic[T]):
    """The frames that wait, of all lanes."""

    def __init__(self, *, size_max: int, wait_s: float, capacity: int) -> None:
        assert 0 < size_max <= capacity
        self._size_max = size_max
        self._wait_s = wait_s
        self._capacity = capacity
        self._groups: OrderedDict[Group, _Waiting[T]] = OrderedDict()
        self._turns = _Turns()
        self._count = 0
        self._seconds_per_item: dict[Group, float] = {}

    def __len__(self) -> int:
        """Return how many frames wait."""
        return self._count

    def groups(self) -> tuple[Group, ...]:
        """Return the groups that have frames waiting."""
        return tuple(self._groups)

    def put(self, queued: Queued[T]) -> None:
        """Add a frame; the lanes' shares keep the number under the capacity."""
        assert self._count < self._capacity, "more frames were taken than the batcher may hold"
        self._groups.setdefault(queued.group, _Waiting()).put(queued)
        self._count += 1

    def take(self, now: float, *, ready: Callable[[Group], bool]) -> Batch[T] | None:
        """Return the next batch of a group that `ready` admits, None when none is full or due."""
        group = self._next_group(now, ready)
        if group is None:
            return None
        waiting = self._groups[group]
        items: list[T] = []
        expired: list[T] = []
        while len(items) < self._size_max and len(waiting):
            queued = waiting.pop()
            (expired if queued.expires_at <= now else items).append(queued.item)
        self._count -= len(items) + len(expired)
        self._settle(group)
        return Batch(group=group, items=tuple(items), expired=tuple(expired))

    def observe(self, group: Group, *, size: int, seconds: float) -> None:
        """Learn how long the engine took for a batch."""
        self._seconds_per_item[group] = seconds / size

    def shed(self, now: float) -> tuple[T, ...]:
        """Take out what cannot end before its maximum age, by the measured engine time."""
        return self._remove(
            lambda queued: queued.expires_at
            <= now + self._seconds_per_item.get(queued.group, float("-inf"))
        )

    def due_at(self, *, ready: Callable[[Group], bool]) -> float | None:
        """Return when the first batch is due (in the past when one is full); None without any."""
        times = (
            float("-inf") if len(waiting) >= self._size_max else waiting.oldest() + self._wait_s
            for group, waiting in self._groups.items()
            if ready(group)
        )
        return min(times, default=None)

    def expire(self, now: float) -> tuple[T, ...]:
        """Take out what has become too old, in all groups, whether they are ready or not."""
        return self._remove(lambda queued: queued.expires_at <= now)

    def drop_group(self, group: Group) -> tuple[T, ...]:
        """Take out every frame of a group."""
        return self._remove(lambda queued: queued.group == group)

    def drop(self, unwanted: Callable[[T], bool]) -> tuple[T, ...]:
        """Take out the frames of which `unwanted` is true."""
        return self._remove(lambda queued: unwanted(queued.item))

    def _next_group(self, now: float, ready: Callable[[Group], bool]) -> Group | None:
        candidates = [
            group
            for group, waiting in self._groups.items()
            if (len(waiting) >= self._size_max or waiting.oldest() + self._wait_s <= now)
            and ready(group)
        ]
        urgent = [group for group in candidates if self._groups[group].has(Tier.PRIORITY)]
        if not candidates:
            return None
        if urgent and len(urgent) < len(candidates):
            return (urgent if self._turns.priority() else candidates)[0]
        return candidates[0]

    def _settle(self, group: Group) -> None:
        """Give the next turn to another group, and forget an empty one."""
        if len(self._groups[group]):
            self._groups.move_to_end(group)
        else:
            del self._groups[group]

    def _remove(self, unwanted: Callable[[Queued[T]], bool]) -> tuple[T, ...]:
        removed = tuple(
            queued.item for waiting in self._groups.values() for queued in waiting.remove(unwanted)
        )
        for group in [group for group, waiting in self._groups.items() if not len(waiting)]:
            del self._groups[group]
        self._count -= len(removed)
        return removed


class _Turns:
    """Whose turn it is while both tiers wait."""

    def __init__(self) -> None:
        self._run = 0

    def priority(self) -> bool:
        self._run = (self._run + 1) % (PRIORITY_RUN_MAX + 1)
        return self._run != 0


class _Waiting(Generic[T]):
    """The frames of one group, by tier and stream, in turn."""

    def __init__(self) -> None:
        self._tiers: dict[Tier, OrderedDict[str, deque[Queued[T]]]] = {
            tier: OrderedDict() for tier in Tier
        }
        self._turns = _Turns()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def has(self, tier: Tier) -> bool:
        return bool(self._tiers[tier])

    def put(self, queued: Queued[T]) -> None:
        self._tiers[queued.tier].setdefault(queued.stream, deque()).append(queued)
        self._count += 1

    def oldest(self) -> float:
        return min(queue[0].queued_at for queue in self._queues())

    def pop(self) -> Queued[T]:
        streams = self._tiers[self._next_tier()]
        stream, queue = next(iter(streams.items()))
        queued = queue.popleft()
        self._count -= 1
        if queue:
            streams.move_to_end(stream)
        else:
            del streams[stream]
        return queued

    def remove(self, unwanted: Callable[[Queued[T]], bool]) -> list[Queued[T]]:
        removed: list[Queued[T]] = []
        for streams in self._tiers.values():
            for stream, queue in list(streams.items()):
                gone = [queued for queued in queue if unwanted(queued)]
                if not gone:
                    continue
                removed += gone
                kept = deque(queued for queued in queue if not unwanted(queued))
                if kept:
                    streams[stream] = kept
                else:
                    del streams[stream]
        self._count -= len(removed)
        return removed

    def _queues(self) -> Iterator[deque[Queued[T]]]:
        for streams in self._tiers.values():
            yield from streams.values()

    def _next_tier(self) -> Tier:
        if self.has(Tier.PRIORITY) and self.has(Tier.STANDARD):
            return Tier.PRIORITY if self._turns.priority() else Tier.STANDARD
        return Tier.PRIORITY if self.has(Tier.PRIORITY) else Tier.STANDARD
