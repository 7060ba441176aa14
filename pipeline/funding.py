"""A session's life as its owner sees it: a state machine without IO, clock or randomness.

Promises: a frame number is handed out only while a grant that has not lapsed covers it; numbers
of a session have no holes; after one frame whose fate is unknown no more numbers are handed out,
and the session is closed with exactly the frames that are known and those in doubt. What lies
unused while the account is short of tokens is given back.
The shell (`pipeline.line`) carries the actions out, one at a time, and reports what came of it.

    idle ──open──► opening ──► open ──(failed send, session over, stop)──► ending ──► closing
      ▲                                                                                  │
      └────────────────────────(stopped: over)◄──────────────────────────────────────────┘
"""

from pipeline.allowance import Allowance
from pipeline.contract import Action, Close, Contract, Phase, Place, Renew
from wire.errors import FramemeterError, InsufficientTokens, Retryable, SessionOver
from wire.sessions import CloseSession, Grant, OpenSession, RenewSession

RETRY_AWAY_S = 1.0
RETRY_UNFUNDED_S = 2.0
RETRY_REFUSED_S = 10.0


class Funding:
    """The machine. `now` is monotonic seconds everywhere; `spread` (0..1) keeps many apart."""

    def __init__(self, contract: Contract, *, spread: float = 0.5) -> None:
        assert 0 <= spread <= 1
        self.contract = contract
        self.phase = Phase.IDLE
        self.published = 0
        self.captured = 0
        self.still = 0
        self._spread = 0.8 + 0.4 * spread
        self._in_flight: set[int] = set()
        self._first_lost: int | None = None
        self._reason = ""
        self.stopping = False
        self._wanted = False
        self._allowance: Allowance | None = None
        self._asked_at: float | None = None
        self._used_at = 0.0
        self._ask_not_before = 0.0
        self._open_not_before = 0.0
        self._captured_told = self._still_told = 0
        self._block: FramemeterError | None = None

    @property
    def grant(self) -> Grant | None:
        """The latest grant of the present session."""
        return self._allowance.grant if self._allowance else None

    @property
    def granted(self) -> int:
        """How many frames of the present session are paid for."""
        return self.grant.granted_frames if self.grant else 0

    @property
    def in_flight(self) -> int:
        """How many published frames have not been answered yet."""
        return len(self._in_flight)

    @property
    def closing_due(self) -> bool:
        """Say whether there is a session whose end the gateway has not been told yet."""
        opening = self.phase is Phase.OPENING and self.stopping
        return opening or self.phase in (Phase.ENDING, Phase.CLOSING)

    def unspent(self, now: float) -> int:
        """Return how many more frames may be published right now."""
        if self.phase is not Phase.OPEN or self._allowance is None:
            return 0
        return self._allowance.left(self.published, now=now, asked_at=self._asked_at)

    def reserve(self, now: float) -> Place | None:
        """Hand out the next frame number, or None; then `blocked` says whether to wait."""
        self._wanted = True
        if self.unspent(now) <= 0:
            return None
        assert self.grant is not None
        place = Place(epoch=self.grant.epoch, seq=self.published)
        self.published += 1
        self.captured = max(self.captured, self.published)
        self._in_flight.add(place.seq)
        self._used_at = now
        return place

    def blocked(self, now: float) -> FramemeterError | None:
        """Return why no number can be had for now; None means that waiting a moment helps."""
        if self.stopping:
            return SessionOver(f"the line of {self.contract.stream} is closed")
        if self.phase is Phase.ENDING or self._asked_at is not None:
            return None
        return self._block if now < self._ask_not_before else None

    def note_captured(self) -> None:
        """Count one picture that the source gave, published or not."""
        self.captured += 1

    def note_still(self) -> None:
        """Count one of the captured pictures as kept back, because nothing moved in it."""
        self.still += 1

    def acked(self, place: Place) -> None:
        """Record that the broker has the frame. A late word about an older epoch is ignored."""
        if self.grant is not None and place.epoch == self.grant.epoch:
            self._in_flight.discard(place.seq)
            self._settle()

    def failed(self, place: Place) -> None:
        """Record that nobody knows whether the broker has the frame: the session must end."""
        if self.grant is None or place.epoch != self.grant.epoch:
            return
        self._in_flight.discard(place.seq)
        self._lose(place.seq)
        self.end("a frame's fate is unknown")

    def stop(self, reason: str) -> None:
        """Hand out no more numbers; close once every published frame is answered."""
        self.stopping = True
        if self.phase is Phase.IDLE:
            self.phase = Phase.OVER
        self.end(reason)

    def abandon(self) -> None:
        """Wait no longer for answers: what is unanswered is in doubt."""
        for seq in self._in_flight:
            self._lose(seq)
        self._in_flight.clear()
        self._settle()

    def next_action(self, now: float) -> Action | None:
        """Return what to ask the gateway now, if anything; report its outcome before asking again.

        The outcome is one of `opened`, `renewed`, `closed`, `refused`, `unanswered`.
        """
        if self._asked_at is not None or now < self._ask_not_before:
            return None
        action = self._due(now)
        self._asked_at = None if action is None else now
        if isinstance(action, OpenSession):
            self.phase = Phase.OPENING
        return action

    def due_in(self, now: float) -> float:
        """Return in how many seconds `next_action` is worth asking again, if nothing happens."""
        if self.phase is Phase.OPEN and self._allowance and not self._is_renewal_wanted():
            return max(0.0, max(self._allowance.life_due_at, self._ask_not_before) - now)
        return max(0.0, self._ask_not_before - now)

    def opened(self, grant: Grant, *, now: float, ttl_s: float) -> None:
        """Take the first grant of a new epoch."""
        assert self.phase is Phase.OPENING and self._asked_at is not None
        self.phase = Phase.OPEN
        self.published = 0
        self._in_flight.clear()
        self._first_lost = None
        self._used_at = now
        self._take(grant, now, ttl_s)
        if self.stopping:
            self.end(self._reason)

    def renewed(self, grant: Grant, *, now: float, ttl_s: float) -> None:
        """Take a later grant of the same epoch."""
        assert self._asked_at is not None and self.grant is not None
        assert grant.epoch == self.grant.epoch, (grant.epoch, self.grant.epoch)
        assert grant.granted_frames >= self.grant.granted_frames
        allowance = self._take(grant, now, ttl_s)
        if allowance.is_worth_giving_back(
            self.published, idle_s=now - self._used_at, frames=self.contract.grant_frames
        ):
            self.end("idle while its account is short of tokens")
        self._settle()

    def closed(self) -> None:
        """The gateway knows that the session is over (or that it never will be told)."""
        assert self.phase is Phase.CLOSING
        self._asked_at = None
        self._allowance = None
        self.published = 0
        self.captured -= self._captured_told
        self.still -= self._still_told
        self._in_flight.clear()
        self._first_lost = None
        self._wanted = False
        self._ask_not_before = self._open_not_before
        self.phase = Phase.OVER if self.stopping else Phase.IDLE

    def refused(self, error: FramemeterError, now: float) -> None:
        """The gateway answered no."""
        self._asked_at = None
        if self._allowance is not None:
            self._allowance.hear()
        if self.phase is Phase.CLOSING:
            self.closed()
            return
        self._block = error
        unfunded = isinstance(error, InsufficientTokens | SessionOver)
        self._pause(RETRY_UNFUNDED_S if unfunded else RETRY_REFUSED_S, now)
        if self.phase is Phase.OPENING:
            self.phase = Phase.OVER if self.stopping else Phase.IDLE
        elif isinstance(error, SessionOver):
            # Not at once: two owners that supersede each other must come to rest.
            self._open_not_before = self._ask_not_before
            self.end("session over")
        else:
            self._settle()

    def unanswered(self, error: Retryable, now: float) -> None:
        """The gateway did not answer; it may or may not have done what was asked."""
        self._asked_at = None
        if self._allowance is not None:
            self._allowance.miss()
        self._block = error
        self._pause(RETRY_AWAY_S, now)
        if self.phase is Phase.OPENING:
            self.phase = Phase.OVER if self.stopping else Phase.IDLE
        else:
            self._settle()

    def _due(self, now: float) -> Action | None:
        if self.phase is Phase.IDLE and self._wanted:
            return self.contract.opening
        if self.phase is Phase.OPEN and self._allowance is not None:
            due = now >= self._allowance.life_due_at or self._is_renewal_wanted()
            return self._renewal() if due else None
        if self.phase is Phase.CLOSING:
            return self._closing()
        return None

    def _renewal(self) -> Renew:
        assert self.grant is not None
        request = RenewSession(
            published=self.published,
            captured=self.captured,
            frames=self.contract.grant_frames,
            still=self.still,
        )
        return Renew(epoch=self.grant.epoch, request=request)

    def _closing(self) -> Close:
        assert self.grant is not None and not self._in_flight
        known = self.published if self._first_lost is None else self._first_lost
        assert 0 <= known <= self.published <= self.granted
        self._captured_told, self._still_told = self.captured, self.still
        request = CloseSession(
            last_seq=known - 1,
            captured=self.captured,
            reason=self._reason,
            in_doubt=self.published - known,
            still=self.still,
        )
        return Close(epoch=self.grant.epoch, request=request)

    def _is_renewal_wanted(self) -> bool:
        assert self._allowance is not None
        spent = self._wanted and self._allowance.runs_low(self.published)
        return spent or self._allowance.is_unanswered

    def _take(self, grant: Grant, now: float, ttl_s: float) -> Allowance:
        taken = Allowance(grant, published=self.published, now=now, ttl_s=ttl_s)
        self._allowance = taken
        self._asked_at = None
        self._block = None
        self._ask_not_before = now
        if taken.has_lapsed_on_arrival:
            self._block = Retryable(
                "grants have expired when they arrive: set the clock of this machine and the"
                " gateway's to the same time"
            )
            self._pause(RETRY_REFUSED_S, now)
        elif grant.final:
            self._block = InsufficientTokens(
                f"account {self.contract.account} has no tokens left for another frame of"
                f" {self.contract.stream}: top it up"
            )
            self._pause(RETRY_UNFUNDED_S, now)
        return taken

    def end(self, reason: str) -> None:
        """End the present session, if any; the next `reserve` asks for another."""
        if self.phase is Phase.OPEN:
            self.phase = Phase.ENDING
            self._reason = reason
        elif self.phase is Phase.OPENING:
            self._reason = reason
        self._settle()

    def _lose(self, seq: int) -> None:
        lost = self._first_lost
        self._first_lost = seq if lost is None else min(lost, seq)

    def _settle(self) -> None:
        """Go from ending to closing once nothing is in flight and no renewal is under way."""
        if self.phase is Phase.ENDING and not self._in_flight and self._asked_at is None:
            self.phase = Phase.CLOSING
            self._ask_not_before = 0.0

    def _pause(self, seconds: float, now: float) -> None:
        self._ask_not_before = now + seconds * self._spread
