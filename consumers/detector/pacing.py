"""When the finished frames of a lane are committed: fresh ones at once, a backlog in bunches. Pure.

A transaction costs about the same for one frame as for many: some milliseconds of processors that
inference wants. So what was detected is held for a part of the age that it has already, and what
was not (and nobody waits for) a while. Bounds: a frame younger than `FRESH_S` is not held; none is
held for more than `AGE_SHARE` of its age, `HOLD_S_MAX`, or (beyond `HOLD_S_LAST`) a quarter of the
time that it has left; one that was lost is held for `LOST_S`. Nothing is held when `BUNCH_MAX` are
ready, or `BUNCH_MOST` that are most of what the lane has not reported yet; and nothing detected
when nothing else of the lane has yet to end.
"""

from typing import Generic, TypeVar

from wire.frames import Tier

FRESH_S = 0.1
AGE_SHARE = {Tier.PRIORITY: 0.1, Tier.STANDARD: 0.25}
LEFT_SHARE = 0.25
HOLD_S_MAX = 1.0
LOST_S = 0.5
HOLD_S_LAST = 0.03
"""However old a frame is: so that an overloaded detector does not pay most for commits."""
BUNCH_MAX = 64
"""As many as one transaction takes."""
BUNCH_MOST = 32
"""A lane that has taken little else may have no room for more before these are committed."""

NEVER = float("inf")

T = TypeVar("T")


def hold_s(*, age_s: float, max_age_s: float, tier: Tier) -> float:
    """Return how long a frame that was detected at this age may wait for others."""
    if age_s < FRESH_S:
        return 0.0
    left_s = max((max_age_s - age_s) * LEFT_SHARE, HOLD_S_LAST)
    return min(age_s * AGE_SHARE[tier], left_s, HOLD_S_MAX)


class Pace(Generic[T]):
    """What a lane has finished and not yet reported, by offset."""

    def __init__(self) -> None:
        self._held: dict[int, T] = {}
        self._due_at = NEVER
        self._is_awaited = False

    def __len__(self) -> int:
        """Return how many are held."""
        return len(self._held)

    @property
    def due_at(self) -> float:
        """When the held ones are to be reported; infinite when there are none."""
        return self._due_at

    def add(self, offset: int, item: T, *, due_at: float, awaited: bool = True) -> None:
        """Hold one that ended, at most until `due_at` (monotonic s).

        One that is not `awaited` is held until then, though nothing else is on its way.
        """
        assert offset not in self._held, f"offset {offset} ended twice"
        self._held[offset] = item
        self._due_at = min(self._due_at, due_at)
        self._is_awaited |= awaited

    def is_due(self, now: float, *, others: int) -> bool:
        """Say whether to report now; `others` of the lane have yet to end."""
        if not self._held:
            return False
        held = len(self._held)
        if held >= BUNCH_MAX or held >= max(BUNCH_MOST, others):
            return True
        return self._due_at <= now or (others <= 0 and self._is_awaited)

    def take(self) -> list[tuple[int, T]]:
        """Return all, the last offset first.

        A lane starts a transaction with the first message in its line that is ready, and of all
        that are ready then: reported in this order, they are in one.
        """
        taken = sorted(self._held.items(), reverse=True)
        self.clear()
        return taken

    def clear(self) -> None:
        """Forget what is held: the lane begins anew."""
        self._held.clear()
        self._due_at = NEVER
        self._is_awaited = False
