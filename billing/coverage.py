"""A set of frame numbers, kept as sorted, disjoint, half-open intervals.

The biller asks it which frames of an event are new; the audit's recount asks the same on its own.
In PostgreSQL the same set is an `int8multirange`. Adding at the end, the usual case, is O(1).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Interval = tuple[int, int]


class Coverage:
    """Frame numbers seen so far; intervals never touch or overlap each other."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in intervals:
            self.add(start, end)

    def add(self, start: int, end: int) -> list[Interval]:
        """Add `start..end-1`; return, in order, the parts that were not there yet."""
        assert start < end
        starts, ends = self._starts, self._ends
        if not ends or start > ends[-1]:
            starts.append(start)
            ends.append(end)
            return [(start, end)]
        if start == ends[-1]:
            ends[-1] = end
            return [(start, end)]
        return self._merge(start, end)

    def _merge(self, start: int, end: int) -> list[Interval]:
        starts, ends = self._starts, self._ends
        low = bisect_left(ends, start)
        high = bisect_right(starts, end)
        fresh: list[Interval] = []
        cursor = start
        for index in range(low, high):
            if starts[index] > cursor:
                fresh.append((cursor, starts[index]))
            cursor = max(cursor, ends[index])
        if cursor < end:
            fresh.append((cursor, end))
        if low < high:
            start, end = min(start, starts[low]), max(end, ends[high - 1])
        starts[low:high] = [start]
        ends[low:high] = [end]
        return fresh

    def contains(self, start: int, end: int) -> bool:
        """Say whether all of `start..end-1` is there; an empty interval always is."""
        if start >= end:
            return True
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and self._ends[index] >= end

    def missing(self, start: int, end: int) -> int:
        """Return how many of `start..end-1` are not there."""
        if start >= end:
            return 0
        there = 0
        for index in range(bisect_right(self._ends, start), bisect_left(self._starts, end)):
            there += min(end, self._ends[index]) - max(start, self._starts[index])
        return end - start - there

    def intervals(self) -> list[Interval]:
        """Return the intervals in order."""
        return list(zip(self._starts, self._ends, strict=True))

    def frames(self) -> int:
        """Return how many frame numbers there are."""
        return sum(self._ends) - sum(self._starts)

    def __str__(self) -> str:
        """Return PostgreSQL's text form of the multirange."""
        return "{" + ",".join(f"[{start},{end})" for start, end in self.intervals()) + "}"
