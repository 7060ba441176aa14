"""The frames of one group that wait: by turn, by arrival and by age, each in logarithmic time.

A frame that leaves is taken out of its stream's line at once and passed over in the other orders
when they come to it; when more have left than wait, the orders are written anew. So every call
costs O(log n) a frame, over time, and memory follows what waits.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from typing import Generic

from consumers.detector.batching.queued import Queued, T
from consumers.detector.batching.turns import Account
from wire.frames import Tier

LEFT_SPARE = 64


@dataclass(slots=True, eq=False)
class Place(Generic[T]):
    """Where one frame waits; `queued` is None once it has left."""

    line: "Line[T]"
    queued: Queued[T] | None

    @property
    def whole(self) -> Hashable:
        """What the tiles of one frame share."""
        assert self.queued is not None
        return self.queued.whole if self.queued.whole is not None else self


@dataclass(slots=True, eq=False)
class Line(Generic[T]):
    """The frames of one stream and tier in a group, in the order in which they came."""

    account: Account
    tier: Tier
    places: deque[Place[T]] = field(default_factory=deque)
    count: int = 0
    cost: float = 0.0
    begun: Hashable | None = None
    """The sliced frame of which a tile was taken last."""

    def first(self) -> Place[T]:
        """Return the frame in front; there is one."""
        while self.places[0].queued is None:
            self.places.popleft()
        return self.places[0]

    def newest(self) -> Place[T]:
        """Return the frame at the end; there is one."""
        while self.places[-1].queued is None:
            self.places.pop()
        return self.places[-1]

    def surplus(self, cost_max: float) -> list[Place[T]]:
        """Return what to give up, oldest first, until the rest costs at most `cost_max`.

        Whole frames only; never the newest, nor one of which tiles were taken.
        """
        newest, given_up, gone = self.newest().whole, list[Place[T]](), None
        excess = self.cost - cost_max
        for place in self.places:
            if place.queued is None or place.whole == self.begun:
                continue
            if place.whole == newest or (excess <= 0 and place.whole != gone):
                break
            given_up.append(place)
            gone, excess = place.whole, excess - place.queued.cost
        return given_up


Turn = tuple[float, int, Line[T]]
"""What a stream was given, the order in which it came, and its line."""


class Waiting(Generic[T]):
    """One group's frames."""

    def __init__(self) -> None:
        self.count = 0
        self.counts = dict.fromkeys(Tier, 0)
        self._lines: dict[tuple[Tier, str], Line[T]] = {}
        self._turns: dict[Tier, list[Turn[T]]] = {tier: [] for tier in Tier}
        self._arrivals: deque[Place[T]] = deque()
        self._ages: list[tuple[float, int, Place[T]]] = []
        self._order = count()

    def put(self, queued: Queued[T], account: Account) -> Line[T]:
        """Add a frame behind its stream's others; return its line."""
        key = (queued.tier, queued.stream)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(account, queued.tier)
            heappush(self._turns[queued.tier], (account.served, next(self._order), line))
        place = Place(line, queued)
        line.places.append(place)
        self._arrivals.append(place)
        heappush(self._ages, (queued.expires_at, next(self._order), place))
        line.count += 1
        line.cost += queued.cost
        self.count += 1
        self.counts[queued.tier] += 1
        return line

    def next_line(self, tier: Tier) -> Turn[T] | None:
        """Return whose turn it is in a tier, behind what it was given."""
        turns = self._turns[tier]
        while turns:
            served, _, line = turns[0]
            if not line.count:
                heappop(turns)
            elif served < line.account.served:
                heapreplace(turns, (line.account.served, next(self._order), line))
            else:
                return turns[0]
        return None

    def oldest(self) -> Queued[T]:
        """Return the frame that came first; there is one."""
        while (queued := self._arrivals[0].queued) is None:
            self._arrivals.popleft()
        return queued

    def soonest(self) -> Queued[T]:
        """Return the frame that expires first; there is one."""
        while (queued := self._ages[0][2].queued) is None:
            heappop(self._ages)
        return queued

    def too_old(self, now: float) -> Iterator[Place[T]]:
        """Yield the frames that have reached their maximum age; the caller takes each out."""
        while self._ages and self._ages[0][0] <= now:
            place = heappop(self._ages)[2]
            if place.queued is not None:
                yield place

    def all(self) -> list[Place[T]]:
        """Return every frame that waits, as they came. Takes time with their number."""
        return [place for place in self._arrivals if place.queued is not None]

    def remove(self, place: Place[T]) -> Queued[T]:
        """Take a frame out of the line."""
        line, queued = place.line, place.queued
        assert queued is not None, "a frame leaves once"
        place.queued = None
        line.count -= 1
        line.cost -= queued.cost
        if line.places[0] is place:
            line.places.popleft()
        if not line.count:
            del self._lines[line.tier, line.account.stream]
        self.count -= 1
        self.counts[line.tier] -= 1
        if len(self._arrivals) > 2 * self.count + LEFT_SPARE or (
            len(self._ages) > 2 * self.count + LEFT_SPARE
        ):
            self._write_anew()
        return queued

    def _write_anew(self) -> None:
        """Forget what has left."""
        self._arrivals = deque(self.all())
        self._ages = [entry for entry in self._ages if entry[2].queued is not None]
        heapify(self._ages)
        for tier, turns in self._turns.items():
            self._turns[tier] = [turn for turn in turns if turn[2].count]
            heapify(self._turns[tier])
