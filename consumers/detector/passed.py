"""Which frames a lane has already taken, so that a second copy in its input is dropped.

Exact: it never claims a frame that was not added. It may forget (the sessions least recently
seen, or the lowest numbers of one with many holes); a copy that slips through has the same id
and is not charged again. Pure.
"""

from bisect import bisect_right
from collections import OrderedDict

SESSIONS_MAX = 4096
RANGES_MAX = 64

FrameKey = tuple[str, int, int]
"""Stream, epoch, seq."""


class Passed:
    """Sets of frame numbers by session, kept as a few ranges each."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[tuple[str, int], _Numbers] = OrderedDict()

    def add(self, key: FrameKey) -> bool:
        """Remember the frame; say whether it is new."""
        stream, epoch, seq = key
        numbers = self._sessions.setdefault((stream, epoch), _Numbers())
        self._sessions.move_to_end((stream, epoch))
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)
        return numbers.add(seq)


class _Numbers:
    """A set of whole numbers as sorted, disjoint, not adjoining ranges [start, end)."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, number: int) -> bool:
        index = bisect_right(self._starts, number) - 1
        if index >= 0 and number < self._ends[index]:
            return False
        joins_left = index >= 0 and self._ends[index] == number
        joins_right = index + 1 < len(self._starts) and self._starts[index + 1] == number + 1
        if joins_left and joins_right:
            self._ends[index] = self._ends[index + 1]
            del self._starts[index + 1], self._ends[index + 1]
        elif joins_left:
            self._ends[index] = number + 1
        elif joins_right:
            self._starts[index + 1] = number
        else:
            self._starts.insert(index + 1, number)
            self._ends.insert(index + 1, number + 1)
            self._forget()
        return True

    def _forget(self) -> None:
        if len(self._starts) > RANGES_MAX:
            del self._starts[0], self._ends[0]
