"""PostgreSQL in memory: the tables that money depends on, and the transactions that change them.

Each call is one transaction, carried out at once and wholly; who calls decides whether the answer
arrives. Decisions are the real ones (`billing.grants`, `batches`, `charging`, `coverage`); what is
mirrored here is the SQL around them. Every change is checked at once against the promises.
"""

from datetime import datetime

from billing import batches, charging, grants
from billing.batches import Identity, Message
from billing.charging import SessionCharge
from billing.ledger import Purse
from tests.simulation.rows import (
    FRAME_AGE_S,
    SLACK_S,
    START,
    TTL_S,
    Position,
    Row,
    Violation,
    billed,
    state_of,
)
from wire.errors import InsufficientTokens
from wire.sessions import CloseSession, Grant, OpenSession, RenewSession, WhenUnreachable


class Fenced(Exception):
    """Another owner has claimed the partition."""


class Ledger:
    """Accounts, sessions, positions."""

    def __init__(self, accounts: dict[str, tuple[int, int]], partitions: int) -> None:
        """`accounts` has what each starts with, and its unit price."""
        self.prices = {name: price for name, (_, price) in accounts.items()}
        self.issued = {name: amount for name, (amount, _) in accounts.items()}
        self.purses = {
            name: {Purse.AVAILABLE: amount, Purse.HELD: 0, Purse.RECEIVABLE: 0, Purse.REVENUE: 0}
            for name, (amount, _) in accounts.items()
        }
        self.policies = dict.fromkeys(accounts, WhenUnreachable.FINISH)
        self.sessions: dict[tuple[str, int], Row] = {}
        self.epochs: dict[str, int] = {}
        self.positions = [Position() for _ in range(partitions)]
        self.charges = 0

    def top_up(self, account: str, amount: int) -> None:
        """Add to what is available."""
        self.issued[account] += amount
        self.purses[account][Purse.AVAILABLE] += amount

    # Sessions -----------------------------------------------------------------------------------

    def open(self, request: OpenSession, now: float) -> tuple[Grant, float]:
        """Open the next epoch, as `billing.sessions` does; also return when it expires."""
        account, stream = request.account, request.stream
        price = self.prices[account]
        extension = self._extend(account, unspent=0, wanted=request.frames, opening=1)
        if extension.frames == 0:
            raise InsufficientTokens("top it up")
        epoch = self.epochs.get(stream, 0) + 1
        older = self.sessions.get((stream, epoch - 1))
        if older is not None and older.state == "open":
            older.state = "closing"
        self.epochs[stream] = epoch
        identity = Identity(stream, epoch, account, request.model, request.height, request.width)
        row = Row(identity, price, extension.frames, now + TTL_S)
        self.sessions[stream, epoch] = row
        self._move(account, Purse.AVAILABLE, Purse.HELD, extension.frames * price)
        return self._grant(row, extension.final), row.expires_at

    def renew(
        self, stream: str, epoch: int, request: RenewSession, now: float
    ) -> tuple[Grant, float]:
        """Grant more and move the expiry; also return it."""
        row = self.sessions[stream, epoch]
        grants.check_renewable(
            state=row.state, granted_frames=row.granted, published=request.published
        )
        if epoch != self.epochs[stream]:
            raise Violation("a superseded session was renewed")
        unspent = row.granted - request.published
        extension = self._extend(row.account, unspent=unspent, wanted=request.frames, opening=0)
        row.granted += extension.frames
        row.held += extension.frames
        row.expires_at = now + TTL_S
        self._move(row.account, Purse.AVAILABLE, Purse.HELD, extension.frames * row.price)
        return self._grant(row, extension.final), row.expires_at

    def close(self, stream: str, epoch: int, request: CloseSession, now: float) -> None:
        """End a session and release what cannot be used any more."""
        row = self.sessions[stream, epoch]
        state = state_of(row)
        if not grants.is_closable(state):
            return
        closing = grants.close(state, last_seq=request.last_seq, in_doubt=request.in_doubt)
        freed = row.held - closing.held_frames
        row.state, row.held = closing.state, closing.held_frames
        row.last_seq, row.in_doubt = request.last_seq, request.in_doubt
        row.expires_at = min(row.expires_at, now)
        self._move(row.account, Purse.HELD, Purse.AVAILABLE, freed * row.price)

    def expire(self, now: float) -> int:
        """Release what vanished owners held, as `billing.janitor` does; return how many."""
        watermarks = [position.watermark for position in self.positions]
        if None in watermarks:
            return 0
        told = min(watermark for watermark in watermarks if watermark is not None)
        before = min((told - START).total_seconds(), now) - FRAME_AGE_S - SLACK_S
        ended = 0
        for row in self.sessions.values():
            if row.state in ("open", "closing") and row.expires_at < before:
                complete = row.last_seq is not None and row.covered.contains(0, row.last_seq + 1)
                row.state = "settled" if row.state == "closing" and complete else "expired"
                freed, row.held = row.held, 0
                self._move(row.account, Purse.HELD, Purse.AVAILABLE, freed * row.price)
                ended += 1
        return ended

    def _extend(self, account: str, *, unspent: int, wanted: int, opening: int) -> grants.Extension:
        open_sessions = sum(
            row.state == "open" and row.account == account for row in self.sessions.values()
        )
        ask = grants.Ask(unspent=unspent, wanted=wanted, unit_price=self.prices[account])
        available = self.purses[account][Purse.AVAILABLE]
        return grants.share([ask], available=available, sessions=open_sessions + opening)[0]

    def _grant(self, row: Row, final: bool) -> Grant:
        return Grant(
            stream=row.identity.stream,
            epoch=row.identity.epoch,
            unit_price=row.price,
            granted_frames=row.granted,
            final=final,
            expires_at=START,
            available=self.purses[row.account][Purse.AVAILABLE],
            balance_version=0,
            when_unreachable=self.policies[row.account],
        )

    # Usage --------------------------------------------------------------------------------------

    def claim(self, partition: int) -> tuple[int, int]:
        """Become the owner; return the owner's epoch and where to read on."""
        position = self.positions[partition]
        position.owner_epoch += 1
        return position.owner_epoch, position.next_offset

    def owns(self, partition: int, owner_epoch: int) -> bool:
        """Say whether this is still the owner."""
        return self.positions[partition].owner_epoch == owner_epoch

    def move_watermark(self, partition: int, owner_epoch: int, at: datetime) -> None:
        """Remember that all that was there at `at` has been read."""
        position = self.positions[partition]
        if not self.owns(partition, owner_epoch):
            raise Fenced
        position.watermark = at if position.watermark is None else max(position.watermark, at)

    def write(
        self,
        partition: int,
        owner_epoch: int,
        messages: list[Message],
        watermark: datetime | None,
    ) -> int:
        """Write a batch, as `billing.writer` does; return the next offset."""
        position = self.positions[partition]
        if not self.owns(partition, owner_epoch):
            raise Fenced
        if owner_epoch != position.owner_epoch:
            raise Violation("a fenced biller wrote")
        rest = batches.after(batches.read(messages), position.next_offset)
        if rest is None:
            return position.next_offset
        rows = {
            key: billed(self.sessions[key])
            for key in {(identity.stream, identity.epoch) for identity in rest.lines}
        }
        decision = charging.decide(rest, rows)
        if decision.unbillable:
            raise Violation(f"unbillable: {decision.unbillable}")
        available = {name: purses[Purse.AVAILABLE] for name, purses in self.purses.items()}
        for charge in decision.sessions:
            self._cover(charge)
        for entry in charging.entries(decision, available, "usage"):
            self._move(entry.account, entry.debit, entry.credit, entry.amount, settle=False)
        for account in decision.accounts:
            self._check(account)
        position.next_offset = rest.last_offset + 1
        if watermark is not None:
            self.move_watermark(partition, owner_epoch, watermark)
        return position.next_offset

    def _cover(self, charge: SessionCharge) -> None:
        row = self.sessions[charge.identity.stream, charge.identity.epoch]
        for start, end in charge.fresh.intervals():
            if row.covered.add(start, end) != [(start, end)]:
                raise Violation("a frame is charged twice")
        if row.covered.frames() > row.granted:
            raise Violation("more frames than were granted")
        row.charged += charge.charged_frames
        row.held = charge.held_frames
        if charge.settled:
            row.state = "settled"
        if charge.paid_otherwise:
            raise Violation(f"{charge.identity}: a frame was charged that no grant covered")
        self.charges += charge.charged_frames

    def _move(
        self, account: str, debit: Purse, credit: Purse, amount: int, *, settle: bool = True
    ) -> None:
        purses = self.purses[account]
        purses[debit] -= amount
        purses[credit] += amount
        if settle:
            self._check(account)

    def _check(self, account: str) -> None:
        """Nothing is overspent, and what is held is a count of frames."""
        purses = self.purses[account]
        if min(purses[Purse.AVAILABLE], purses[Purse.HELD], -purses[Purse.RECEIVABLE]) < 0:
            raise Violation(f"overspent: {purses}")
        held = charged = 0
        for row in self.sessions.values():
            if row.account == account:
                held += row.held * row.price
                charged += row.charged * row.price
                if row.held < 0:
                    raise Violation("a session holds less than nothing")
        if purses[Purse.HELD] != held or purses[Purse.REVENUE] != charged:
            raise Violation(f"held {held} and charged {charged} are not {purses}")
