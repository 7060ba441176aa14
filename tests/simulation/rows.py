"""The rows of the ledger in memory, the simulated time, and the word for a broken promise."""

from datetime import UTC, datetime, timedelta

from billing.batches import Identity
from billing.charging import BilledSession
from billing.coverage import Coverage
from billing.grants import SessionState

TTL_S = 6.0
FRAME_AGE_S = 6.0
OVERDUE_S = 0.5
SLACK_S = 5.0
"""Covers what may still be under way: `OVERDUE_S` and a transaction."""
START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Violation(AssertionError):
    """A promise is broken."""


def moment(now: float) -> datetime:
    """Return the simulated time as a date."""
    return START + timedelta(seconds=now)


class Row:
    """A row of `session`."""

    __slots__ = (
        "account",
        "charged",
        "covered",
        "expires_at",
        "granted",
        "held",
        "identity",
        "in_doubt",
        "last_seq",
        "price",
        "state",
    )

    def __init__(self, identity: Identity, price: int, frames: int, expires_at: float) -> None:
        self.identity = identity
        self.account = identity.account
        self.price = price
        self.state = "open"
        self.granted = self.held = frames
        self.charged = 0
        self.expires_at = expires_at
        self.last_seq: int | None = None
        self.in_doubt = 0
        self.covered = Coverage()


class Position:
    """A row of `consumer_position`."""

    __slots__ = ("next_offset", "owner_epoch", "watermark")

    def __init__(self) -> None:
        self.owner_epoch = 0
        self.next_offset = 0
        self.watermark: datetime | None = None


def state_of(row: Row) -> SessionState:
    """Return the session as `billing.grants` takes it."""
    return SessionState(
        account=row.account,
        state=row.state,
        unit_price=row.price,
        granted_frames=row.granted,
        held_frames=row.held,
        last_seq=row.last_seq,
        in_doubt=row.in_doubt,
        covered=row.covered,
    )


def billed(row: Row) -> BilledSession:
    """Return the session as `billing.charging` takes it."""
    return BilledSession(
        identity=row.identity,
        unit_price=row.price,
        state=row.state,
        last_seq=row.last_seq,
        in_doubt=row.in_doubt,
        held_frames=row.held,
        covered=Coverage(row.covered.intervals()),
    )
