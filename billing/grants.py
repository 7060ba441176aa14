"""The decisions of a session's life: how many frames to grant, and what a close gives back.

Pure. A grant only grows; a session holds tokens for exactly the granted frames that are not yet
accounted for, so what is held is always a count of frames times the session's unit price.
Where a balance does not suffice for all of an account's sessions, each gets up to the same worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.coverage import Coverage
from wire.errors import Rejected, SessionOver

SEQ_MAX = 2**62
"""Frame numbers stay below this, so that no sum of a few of them leaves 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A session as the ledger knows it, while its row is locked."""

    account: str
    state: str
    unit_price: int
    granted_frames: int
    held_frames: int
    last_seq: int | None
    in_doubt: int
    covered: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one session has and wants: `unspent` frames are granted to it and not published."""

    unspent: int
    wanted: int
    unit_price: int

    @property
    def missing(self) -> int:
        """How many frames more it wants."""
        return max(0, self.wanted - self.unspent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """How many frames more are granted; `final` when not one more could be paid for now."""

    frames: int
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What a close makes of a session: its new state and how many frames stay paid for."""

    state: str
    held_frames: int


def share(asks: Sequence[Ask], *, available: int, sessions: int) -> list[Extension]:
    """Decide on what sessions of one account ask for at once; `sessions` of it are open in all.

    1. While it suffices for all of them, the absent ones too, everyone gets what is asked.
    2. Otherwise nobody is brought above the level that all could have: what a session holds
       unspent counts, so asking again and again gathers nothing.
    3. Who then has nothing at all gets one frame, the first who asks first, while there is money.
    """
    level = _level(asks, available=available, absent=max(0, sessions - len(asks)))
    frames = [_up_to(level, ask) for ask in asks]
    left = available - sum(n * ask.unit_price for n, ask in zip(frames, asks, strict=True))
    for place, ask in enumerate(asks):
        if ask.missing and not ask.unspent and not frames[place] and ask.unit_price <= left:
            frames[place] = 1
            left -= ask.unit_price
    return [
        Extension(frames=n, final=n < ask.missing and left < ask.unit_price)
        for n, ask in zip(frames, asks, strict=True)
    ]


def _level(asks: Sequence[Ask], *, available: int, absent: int) -> int:
    """Return the greatest worth, in millitokens, that every session can hold unspent."""

    def cost(level: int) -> int:
        present = sum(_up_to(level, ask) * ask.unit_price for ask in asks)
        return present + absent * level

    low, high = 0, max((ask.wanted * ask.unit_price for ask in asks), default=0)
    if cost(high) <= available:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= available else (low, middle)
    return low


def _up_to(level: int, ask: Ask) -> int:
    """Return how many frames bring a session to the level, and to no more than it wants."""
    return min(ask.missing, max(0, level // ask.unit_price - ask.unspent))


def check_renewable(*, state: str, granted_frames: int, published: int) -> None:
    """Raise `SessionOver` for a session that has ended, `Rejected` for a count that cannot be."""
    if state != "open":
        raise SessionOver("the session is closed, expired or superseded: open a new one")
    _check_published(granted_frames, published)


def close(session: SessionState, *, last_seq: int, in_doubt: int) -> Closing:
    """Decide on a close: hold on only to frames that may still be accounted for."""
    end = last_seq + 1 + in_doubt
    _check_published(session.granted_frames, end)
    settled = session.covered.contains(0, end)
    held = 0 if settled else min(session.held_frames, session.covered.missing(0, end))
    return Closing(state="settled" if settled else "closing", held_frames=held)


def is_closable(session: SessionState) -> bool:
    """Say whether a close has something to tell: not after an earlier close or an expiry.

    A superseded session is `closing` without a last frame; its old owner may still name it.
    """
    return session.state == "open" or (session.state == "closing" and session.last_seq is None)


def _check_published(granted_frames: int, published: int) -> None:
    if published > granted_frames:
        raise Rejected(
            f"{published} frames cannot have been published: {granted_frames} were granted"
        )
