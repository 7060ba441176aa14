"""What a session may draw on: its latest grant, how long that holds, and when to ask for more.

Pure, like `pipeline.funding`, whose part it is. Promises that nothing may be drawn from a grant
that has lapsed, nor, where the account's policy is to stop, while the gateway does not answer.
"""

from wire.sessions import Grant, WhenUnreachable

RENEW_WHEN_LEFT = 0.3
SIGNS_OF_LIFE_PER_TTL = 3
ANSWER_WAIT_S_MAX = 2.0
"""A gateway that lets us wait for longer does not answer, as far as `stop` is concerned."""


class Allowance:
    """The grant of one session. `now` is monotonic seconds."""

    def __init__(self, grant: Grant, *, published: int, now: float, ttl_s: float) -> None:
        self.grant = grant
        self.life_due_at = now + ttl_s / SIGNS_OF_LIFE_PER_TTL
        self._ttl_s = ttl_s
        self._lapses_at = now + ttl_s
        self._low = RENEW_WHEN_LEFT * (grant.granted_frames - published)
        self._unanswered = False

    @property
    def has_lapsed_on_arrival(self) -> bool:
        """Say whether it could never be spent: two clocks differ."""
        return self._ttl_s <= 0

    def left(self, published: int, *, now: float, asked_at: float | None) -> int:
        """Return how many more frames may be published now; `asked_at`: of what is being asked."""
        if now >= self._lapses_at or self._is_halted(now, asked_at):
            return 0
        return self.grant.granted_frames - published

    def miss(self) -> None:
        """Record that the gateway did not answer; the next grant ends that."""
        self._unanswered = True

    def hear(self) -> None:
        """Record that the gateway answered, if only to refuse."""
        self._unanswered = False

    def runs_low(self, published: int) -> bool:
        """Say whether so little is left of what the grant brought that it is time for another."""
        return self.grant.granted_frames - published <= self._low

    @property
    def is_unanswered(self) -> bool:
        """Say whether the last renewal is to be asked again."""
        return self._unanswered

    def is_worth_giving_back(self, published: int, *, idle_s: float, frames: int) -> bool:
        """Say whether it lies unused while the account could not pay for `frames` more like it."""
        grant = self.grant
        return (
            published < grant.granted_frames
            and idle_s >= self._ttl_s / SIGNS_OF_LIFE_PER_TTL
            and grant.available < frames * grant.unit_price
        )

    def _is_halted(self, now: float, asked_at: float | None) -> bool:
        if self.grant.when_unreachable is not WhenUnreachable.STOP:
            return False
        waits = asked_at is not None and now - asked_at >= ANSWER_WAIT_S_MAX
        return self._unanswered or waits
