"""Sessions in memory, for tests of whatever publishes frames: no gateway, no database.

It funds like the real thing (one price, balances per account, epochs that supersede each other,
final grants, expiry) and remembers every call. `away` makes each call fail as a dead gateway does.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from wire.clock import Clock
from wire.errors import InsufficientTokens, Retryable, SessionOver, UnknownAccount, UnknownModel
from wire.sessions import (
    CloseSession,
    Grant,
    OpenSession,
    RenewSession,
    WhenUnreachable,
    check_close,
    check_open,
    check_renew,
)


@dataclass(slots=True, kw_only=True)
class MemorySession:
    """One epoch of one stream as the memory knows it."""

    account: str
    granted: int
    over: bool = False
    closed: CloseSession | None = None
    renewals: list[RenewSession] = field(default_factory=list)


class MemorySessions:
    """A `SessionsPort` with accounts that hold millitokens."""

    def __init__(self, clock: Clock, *, unit_price: int = 1_000, ttl_s: float = 60.0) -> None:
        self._clock = clock
        self._unit_price = unit_price
        self._ttl_s = ttl_s
        self._version = 0
        self.available: dict[str, int] = {}
        self.models: set[str] | None = None
        self.sessions: dict[tuple[str, int], MemorySession] = {}
        self.away = False
        self.policy = WhenUnreachable.FINISH

    def top_up(self, account: str, millitokens: int) -> None:
        """Give an account tokens; it exists from its first top-up on."""
        self.available[account] = self.available.get(account, 0) + millitokens

    def epochs(self, stream: str) -> list[MemorySession]:
        """Return all sessions of a stream, the oldest first."""
        return [session for (name, _), session in sorted(self.sessions.items()) if name == stream]

    async def open(self, request: OpenSession) -> Grant:
        """Open the next epoch; the one before is over."""
        self._answer_or_raise()
        check_open(request)
        if request.account not in self.available:
            raise UnknownAccount(f"no account {request.account}")
        if self.models is not None and request.model not in self.models:
            raise UnknownModel(f"no model {request.model}: register it")
        frames = self._affordable(request.account, request.frames)
        if frames == 0:
            raise InsufficientTokens(f"account {request.account} cannot pay for one frame")
        before = self.epochs(request.stream)
        for older in before:
            older.over = True
        session = MemorySession(account=request.account, granted=0)
        self.sessions[request.stream, len(before) + 1] = session
        return self._grant((request.stream, len(before) + 1), frames, request.frames)

    async def renew(self, stream: str, epoch: int, request: RenewSession) -> Grant:
        """Top the grant up to `published + frames`, as far as the balance reaches."""
        self._answer_or_raise()
        check_renew(request)
        session = self.sessions.get((stream, epoch))
        if session is None or session.over:
            raise SessionOver(f"session {stream}/{epoch} is over")
        session.renewals.append(request)
        wanted = max(0, request.published + request.frames - session.granted)
        return self._grant((stream, epoch), self._affordable(session.account, wanted), wanted)

    async def close(self, stream: str, epoch: int, request: CloseSession) -> None:
        """End the epoch and give back what it will not use."""
        self._answer_or_raise()
        check_close(request)
        session = self.sessions[stream, epoch]
        if session.closed is None:
            session.over = True
            session.closed = request
            unused = session.granted - (request.last_seq + 1 + request.in_doubt)
            assert unused >= 0, "more frames were published than paid for"
            self.available[session.account] += unused * self._unit_price

    def _answer_or_raise(self) -> None:
        if self.away:
            raise Retryable("the gateway does not answer")

    def _affordable(self, account: str, frames: int) -> int:
        return min(frames, self.available[account] // self._unit_price)

    def _grant(self, key: tuple[str, int], frames: int, wanted: int) -> Grant:
        session = self.sessions[key]
        session.granted += frames
        self.available[session.account] -= frames * self._unit_price
        self._version += 1
        return Grant(
            stream=key[0],
            epoch=key[1],
            unit_price=self._unit_price,
            granted_frames=session.granted,
            final=frames < wanted,
            expires_at=self._clock.now() + timedelta(seconds=self._ttl_s),
            available=self.available[session.account],
            balance_version=self._version,
            when_unreachable=self.policy,
        )
