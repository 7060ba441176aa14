"""The decisions of a session's life: how many frames to grant, and what a close gives back.

Pure. A grant only grows; a session holds tokens for exactly the granted frames that are not yet
accounted for, so what is held is always a count of frames times the session's unit price.
"""

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
class Extension:
    """How many frames more are granted; `final` when the balance did not suffice for all."""

    frames: int
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What a close makes of a session: its new state and how many frames stay paid for."""

    state: str
    held_frames: int


def extend(*, granted: int, wanted: int, unit_price: int, available: int) -> Extension:
    """Decide on a grant of `wanted` frames in all, of which `granted` were granted before."""
    missing = max(0, wanted - granted)
    frames = min(missing, available // unit_price)
    return Extension(frames=frames, final=frames < missing)


def check_renewable(session: SessionState, *, published: int) -> None:
    """Raise `SessionOver` for a session that has ended, `Rejected` for a count that cannot be."""
    if session.state != "open":
        raise SessionOver("the session is closed, expired or superseded: open a new one")
    _check_published(session, published)


def close(session: SessionState, *, last_seq: int, in_doubt: int) -> Closing:
    """Decide on a close: hold on only to frames that may still be accounted for."""
    end = last_seq + 1 + in_doubt
    _check_published(session, end)
    settled = session.covered.contains(0, end)
    held = 0 if settled else min(session.held_frames, session.covered.missing(0, end))
    return Closing(state="settled" if settled else "closing", held_frames=held)


def is_closable(session: SessionState) -> bool:
    """Say whether a close has something to tell: not after an earlier close or an expiry.

    A superseded session is `closing` without a last frame; its old owner may still name it.
    """
    return session.state == "open" or (session.state == "closing" and session.last_seq is None)


def _check_published(session: SessionState, published: int) -> None:
    if published > session.granted_frames:
        raise Rejected(
            f"{published} frames cannot have been published: {session.granted_frames} were granted"
        )
