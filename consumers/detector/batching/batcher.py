"""The frames that wait, of all lanes: what the next batch is, and who is given up. Pure.

The package's docstring says what this promises.
"""

from collections import deque
from collections.abc import Callable
from typing import Generic

from consumers.detector.batching.pace import Pace
from consumers.detector.batching.queued import Batch, Group, Queued, T
from consumers.detector.batching.turns import Accounts, Tiers
from consumers.detector.batching.waiting import Line, Place, Waiting
from wire.frames import Tier

PRIORITY_WAIT_S = 0.01
PRIORITY_ACTIVE_S = 10.0
"""How long after a priority frame the tier counts as active."""
FLOOD_AFTER_S = 1.0
"""How long a stream must ask for more than can be served to count as one that floods."""
FLOOD_KEPT_S = 0.5
"""How much of its share, in seconds, a stream keeps waiting behind its newest frame that asks for
just that share; one that asks for k times its share keeps 1 / k of it: enough for a short pause."""
FLOOD_KEPT_MAX = 3
"""And at most so many frames: their lane has room for few."""
GROUPS_KNOWN_MAX = 1024
"""How many groups' paces are remembered, unless more wait."""

Ready = Callable[[Group], bool]


class Batcher(Generic[T]):
    """The frames that wait, of all lanes. `now` never goes back."""

    def __init__(
        self,
        *,
        size_max: int,
        wait_s: float,
        capacity: int,
        priority_wait_s: float = PRIORITY_WAIT_S,
    ) -> None:
        assert 0 < size_max <= capacity
        self._size_max = size_max
        self._wait_s = wait_s
        self._capacity = capacity
        self._priority_wait_s = priority_wait_s
        self._groups: dict[Group, Waiting[T]] = {}
        self._paces: dict[Group, Pace] = {}
        self._accounts = {tier: Accounts() for tier in Tier}
        self._tiers = Tiers()
        self._grown: deque[Line[T]] = deque(maxlen=capacity)
        self._count = 0
        self._now = float("-inf")
        self._priority_until = float("-inf")
        self._is_measured = False

    def __len__(self) -> int:
        """Return how many frames wait."""
        return self._count

    def groups(self) -> tuple[Group, ...]:
        """Return the groups that have frames waiting."""
        return tuple(self._groups)

    def put(self, queued: Queued[T]) -> None:
        """Add a frame; the lanes' shares keep the number under the capacity."""
        assert self._count < self._capacity, "more frames were taken than the batcher may hold"
        assert queued.cost > 0
        now = self._now = max(self._now, queued.queued_at)
        account = self._accounts[queued.tier].arrive(queued.stream)
        account.arrivals.add(now, queued.cost)
        self._pace(queued.group).arrivals.add(now, 1.0)
        waiting = self._groups.get(queued.group)
        if waiting is None:
            waiting = self._groups[queued.group] = Waiting()
        self._grown.append(waiting.put(queued, account))
        self._count += 1
        if queued.tier is Tier.PRIORITY:
            self._priority_until = now + PRIORITY_ACTIVE_S

    def take(self, now: float, *, ready: Ready, last: bool = False) -> Batch[T] | None:
        """Return the next batch of a group that `ready` admits, None when none is full or due.

        To be called when an engine is free: that nothing is due then means that there is no load.
        `last` says that it is the last free one, which is kept for the priority tier.
        """
        self._now = max(self._now, now)
        ready_groups = [group for group in self._groups if ready(group)]
        due = [group for group in ready_groups if self._due_at(group) <= now]
        if not due:
            for accounts in self._accounts.values():
                accounts.share.idle(now)
        due = [group for group in due if self._may_go(group, last=last)]
        if not due:
            return None
        group = self._next_group(due)
        waiting = self._groups[group]
        expired = [self._remove(group, place) for place in waiting.too_old(now)]
        begun = {tier: accounts.turn for tier, accounts in self._accounts.items()}
        items = self._fill(group, now, ready_groups)
        if items:
            self._count_turns(now, ready_groups, begun, turn=items[0].cost)
        return Batch(
            group=group,
            items=tuple(queued.item for queued in items),
            expired=tuple(queued.item for queued in expired),
        )

    def observe(self, group: Group, *, size: int, seconds: float) -> None:
        """Learn that the engine took this long for a batch of `size`."""
        self._pace(group).engine.observe(size, seconds)
        self._is_measured = True

    def shed(self, now: float) -> tuple[T, ...]:
        """Take out what has no room before its maximum age, though it may not have reached it yet.

        To be called whenever `take` is, and at least every 100 ms while anything waits.
        """
        self._now = max(self._now, now)
        given_up: list[T] = []
        while self._grown:
            line = self._grown.popleft()
            if line.count and self._is_measured:
                for place in self._surplus(line, now):
                    assert place.queued is not None
                    given_up.append(self._remove(place.queued.group, place).item)
        return tuple(given_up)

    def due_at(self, *, ready: Ready, last: bool = False) -> float | None:
        """Return when the first batch is due (in the past when one is full); None without any.

        `ready` and `last` as of `take`; what waits for another engine is not due.
        """
        there = (group for group in self._groups if ready(group) and self._may_go(group, last=last))
        return min(map(self._due_at, there), default=None)

    def expire(self, now: float) -> tuple[T, ...]:
        """Take out what has become too old, in all groups, whether they are ready or not."""
        self._now = max(self._now, now)
        return tuple(
            self._remove(group, place).item
            for group, waiting in list(self._groups.items())
            for place in waiting.too_old(now)
        )

    def drop_group(self, group: Group) -> tuple[T, ...]:
        """Take out every frame of a group."""
        waiting = self._groups.get(group)
        places = waiting.all() if waiting is not None else []
        return tuple(self._remove(group, place).item for place in places)

    def drop(self, unwanted: Callable[[T], bool]) -> tuple[T, ...]:
        """Take out the frames of which `unwanted` is true. Takes time with all that wait."""
        return tuple(
            self._remove(group, place).item
            for group, waiting in list(self._groups.items())
            for place in waiting.all()
            if place.queued is not None and unwanted(place.queued.item)
        )

    def _due_at(self, group: Group) -> float:
        """Return when a group's batch is to go: when nothing is won by waiting any longer."""
        waiting, pace = self._groups[group], self._paces[group]
        if waiting.count >= min(pace.worth_waiting_for, self._size_limit(pace)):
            return float("-inf")
        takes_s = pace.engine.seconds(waiting.count) or 0.0
        return min(
            waiting.oldest().queued_at + self._wait_s, waiting.soonest().expires_at - takes_s
        )

    def _size_limit(self, pace: Pace) -> int:
        """Return how large a batch may be: the shortest while the priority tier is active."""
        if self._now >= self._priority_until:
            return pace.size_limit(self._size_max)
        return pace.size_limit_urgent(self._size_max, self._priority_wait_s)

    def _may_go(self, group: Group, *, last: bool) -> bool:
        """Say whether a group may have the engine that is free."""
        kept = last and self._now < self._priority_until
        return not kept or self._groups[group].counts[Tier.PRIORITY] > 0

    def _next_group(self, due: list[Group]) -> Group:
        """Return the group of the stream whose turn it is."""
        turns = {
            tier: [
                (turn[0], turn[2].first(), index)
                for index, group in enumerate(due)
                if (turn := self._groups[group].next_line(tier)) is not None
            ]
            for tier in Tier
        }
        first = {tier: min(of, key=lambda turn: turn[0]) for tier, of in turns.items() if of}
        tier = next(iter(first))
        if len(first) > 1:
            standard = first[Tier.STANDARD][1].queued
            assert standard is not None
            tier = self._tiers.first(cost=standard.cost)
        served, _, index = first[tier]
        self._accounts[tier].reach(served)
        return due[index]

    def _fill(self, group: Group, now: float, ready_groups: list[Group]) -> list[Queued[T]]:
        """Take a batch of a group, in turn, none so large that frames expire in it."""
        waiting, pace = self._groups.get(group, Waiting[T]()), self._paces[group]
        limit = self._size_limit(pace)
        others = {
            tier: any(self._groups[other].counts[tier] for other in ready_groups if other != group)
            for tier in Tier
        }
        items: list[Queued[T]] = []
        soonest = float("inf")
        while len(items) < limit and waiting.count:
            place = self._next_place(waiting)
            assert place.queued is not None
            soonest = min(soonest, place.queued.expires_at)
            takes_s = pace.engine.seconds(len(items) + 1) or 0.0
            if items and now + takes_s > soonest:
                break
            items.append(self._serve(group, place, waiting, others))
        return items

    def _next_place(self, waiting: Waiting[T]) -> Place[T]:
        """Return the frame of a group whose turn it is."""
        priority = waiting.next_line(Tier.PRIORITY)
        standard = waiting.next_line(Tier.STANDARD)
        if standard is None or priority is None:
            only = standard or priority
            assert only is not None
            return only[2].first()
        place = standard[2].first()
        assert place.queued is not None
        if self._tiers.first(cost=place.queued.cost) is Tier.STANDARD:
            return place
        return priority[2].first()

    def _serve(
        self, group: Group, place: Place[T], waiting: Waiting[T], others: dict[Tier, bool]
    ) -> Queued[T]:
        """Charge a frame to its stream and its tier, and take it out."""
        assert place.queued is not None
        line, cost = place.line, place.queued.cost
        other = Tier.STANDARD if line.tier is Tier.PRIORITY else Tier.PRIORITY
        other_waits = others[other] or waiting.counts[other] > 0
        self._tiers.served(line.tier, cost, other_waits=other_waits)
        self._accounts[line.tier].serve(line.account, cost)
        line.begun = place.queued.whole
        return self._remove(group, place)

    def _count_turns(
        self, now: float, ready_groups: list[Group], begun: dict[Tier, float], *, turn: float
    ) -> None:
        """Tell the shares how far the turns have come, and whether frames are left waiting."""
        left = [self._groups[group] for group in ready_groups if group in self._groups]
        for tier, accounts in self._accounts.items():
            more = any(waiting.counts[tier] for waiting in left)
            accounts.share.batch(now, served=begun[tier], turn=turn, more=more)

    def _surplus(self, line: Line[T], now: float) -> list[Place[T]]:
        """Return what a line cannot have served in time at its stream's share."""
        share = self._accounts[line.tier].share.per_s_max
        account, newest = line.account, line.newest().queued
        assert newest is not None
        if share is None:
            account.over_since = None
            return []
        life_s = max(newest.expires_at - now, 0.0)
        times_share = account.arrivals.per_s / share
        if times_share <= 1:
            account.over_since = None
        elif account.over_since is None and line.cost > share * life_s + newest.cost:
            account.over_since = now
        floods = account.over_since is not None and now - account.over_since >= FLOOD_AFTER_S
        kept = share * life_s
        if floods:
            kept = min(kept, share * FLOOD_KEPT_S / times_share, FLOOD_KEPT_MAX * newest.cost)
        return line.surplus(kept + newest.cost)

    def _remove(self, group: Group, place: Place[T]) -> Queued[T]:
        """Take a frame out; forget an empty group."""
        waiting = self._groups[group]
        queued = waiting.remove(place)
        self._accounts[queued.tier].leave(place.line.account)
        self._count -= 1
        if not waiting.count:
            del self._groups[group]
        return queued

    def _pace(self, group: Group) -> Pace:
        """Return what is known of a group; of too many, one without frames is forgotten."""
        pace = self._paces.get(group)
        if pace is None:
            if len(self._paces) >= GROUPS_KNOWN_MAX:
                idle = next((known for known in self._paces if known not in self._groups), None)
                if idle is not None:
                    del self._paces[idle]
            pace = self._paces[group] = Pace()
        return pace
