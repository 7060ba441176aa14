"""Which pictures of a source are wanted: about `fps` of them a second of presentation time.

Pure. Takes the picture nearest to each tick of an even grid, so that the rate neither drifts nor
beats with the source's own; a jump of the timeline starts a new grid; a picture without a time is
taken to follow the one before.
"""

JUMP_BACK_S = 0.25
JUMP_AHEAD_S = 2.0


class Sampler:
    """Says of one picture after another whether it is wanted. Times in seconds, any origin."""

    def __init__(self, fps: float, *, frame_s: float = 0.04) -> None:
        """`fps` is how many are wanted a second; `frame_s` how far pictures lie apart, normally."""
        assert fps > 0 and frame_s > 0
        self._step_s = 1.0 / fps
        self._frame_s = frame_s
        self._early_s = min(self._step_s / 2, max(frame_s / 2, self._step_s / 10))
        self._last_s: float | None = None
        self._told_s: float | None = None
        self._due_s = 0.0

    def wants(self, time_s: float | None) -> bool:
        """Say whether the picture of this presentation time is wanted; None: it has no time."""
        now_s = self._placed(time_s)
        before_s, self._last_s = self._last_s, now_s
        if before_s is None or self._jumped(before_s, now_s):
            self._due_s = now_s + self._step_s
            return True
        if now_s < self._due_s - self._early_s:
            return False
        self._due_s += self._step_s
        if self._due_s <= now_s:  # the source is slower than wanted: there is no grid to keep
            self._due_s = now_s + self._step_s
        return True

    def _placed(self, time_s: float | None) -> float:
        """Return when the picture is taken to be; a time told twice in a row is no time."""
        told_s, self._told_s = self._told_s, time_s
        if time_s is not None and time_s != told_s:
            return time_s
        return 0.0 if self._last_s is None else self._last_s + self._frame_s

    def _jumped(self, before_s: float, now_s: float) -> bool:
        ahead_s = max(JUMP_AHEAD_S, 2 * self._step_s)
        return now_s < before_s - JUMP_BACK_S or now_s > before_s + ahead_s
