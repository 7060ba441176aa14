"""Says that something is wrong once, again now and then while it lasts, and when it is over."""

import structlog

REMIND_S = 60.0
log = structlog.stdlib.get_logger("pipeline.trouble")


class Trouble:
    """What is wrong with one side of one stream, as far as it has been told."""

    def __init__(self, what: str, **facts: str) -> None:
        self._what = what
        self._log = log.bind(**facts)
        self._reason: str | None = None
        self._told_at = 0.0

    def report(self, reason: str, *, now: float) -> None:
        """Log the reason if it is news, or if it was last told long ago. `now` is monotonic."""
        if reason != self._reason or now - self._told_at >= REMIND_S:
            self._reason, self._told_at = reason, now
            self._log.warning(self._what, reason=reason)

    def over(self) -> None:
        """Log that it is well again, if anything was wrong."""
        if self._reason is not None:
            self._reason = None
            self._log.info(f"{self._what}: over")
