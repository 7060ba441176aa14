"""The biller's decision: which frames of a batch are new, and who pays what from which purse.

Pure. Only fresh frames count: what a session's coverage holds already is a repeat, not an error,
and the first status that reaches the ledger stands, in offset order, also within one batch.
A fresh detected frame is paid from what its session holds, else from what the account has
available, and what is missing there is receivable. Any other fresh frame frees its grant.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from billing.batches import Identity, Line, Unbillable, UsageBatch
from billing.coverage import Coverage
from billing.ledger import Entry, Kind, Purse
from wire.usage import Status

SessionKey = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledSession:
    """A session as the ledger knows it, while its row is locked."""

    identity: Identity
    unit_price: int
    state: str
    last_seq: int | None
    in_doubt: int
    held_frames: int
    covered: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteUse:
    """What to add to one row of `usage_minute`."""

    minute: datetime
    status: Status
    frames: int
    millitokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCharge:
    """What a batch does to one session. `fresh` is never empty."""

    identity: Identity
    fresh: Coverage
    charged_frames: int
    held_frames: int
    settled: bool
    minutes: tuple[MinuteUse, ...]
    paid_from_held: int
    paid_otherwise: int
    released: int


@dataclass(slots=True, kw_only=True)
class AccountCharge:
    """What a batch does to one account, in millitokens."""

    from_held: int = 0
    otherwise: int = 0
    released: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A batch's effects, before the balances are known."""

    sessions: tuple[SessionCharge, ...]
    accounts: Mapping[str, AccountCharge] = field(default_factory=dict)
    unbillable: tuple[Unbillable, ...] = ()


def decide(batch: UsageBatch, sessions: Mapping[SessionKey, BilledSession]) -> Decision:
    """Return the batch's effects; lines that contradict the ledger are unbillable."""
    charges: list[SessionCharge] = []
    refused: list[Unbillable] = []
    for identity, lines in batch.lines.items():
        session = sessions.get((identity.stream, identity.epoch))
        if session is None or session.identity != identity:
            reason = _contradiction(identity, session)
            refused.extend(batch.refused(line.place, reason) for line in lines)
            continue
        charge = charge_session(session, lines)
        if charge is not None:
            charges.append(charge)
    return Decision(
        sessions=tuple(charges),
        accounts=_by_account(charges),
        unbillable=(*batch.unbillable, *refused),
    )


def charge_session(session: BilledSession, lines: Iterable[Line]) -> SessionCharge | None:
    """Return what these lines, in offset order, do to the session; None when nothing is new.

    `session.covered` grows by what is fresh.
    """
    fresh = Coverage()
    frames: dict[tuple[datetime, Status], int] = defaultdict(int)
    see, keep = session.covered.add, fresh.add
    for first, last, minute, status, _ in lines:
        for start, end in see(first, last + 1):
            keep(start, end)
            frames[minute, status] += end - start
    if not frames:
        return None
    detected = sum(count for (_, status), count in frames.items() if status is Status.DETECTED)
    free = fresh.frames() - detected
    from_held = min(detected, session.held_frames)
    freed = min(free, session.held_frames - from_held)
    settled = _is_settled(session)
    left = session.held_frames - from_held - freed
    price = session.unit_price
    return SessionCharge(
        identity=session.identity,
        fresh=fresh,
        charged_frames=detected,
        held_frames=0 if settled else left,
        settled=settled,
        minutes=tuple(
            MinuteUse(
                minute=minute,
                status=status,
                frames=count,
                millitokens=count * price if status is Status.DETECTED else 0,
            )
            for (minute, status), count in frames.items()
        ),
        paid_from_held=from_held * price,
        paid_otherwise=(detected - from_held) * price,
        released=(freed + (left if settled else 0)) * price,
    )


def entries(decision: Decision, available: Mapping[str, int], reference: str) -> list[Entry]:
    """Return the transfers of the batch, given what each account has available."""
    made: list[Entry] = []
    for account, charge in sorted(decision.accounts.items()):
        from_available = min(charge.otherwise, available[account] + charge.released)
        for kind, debit, credit, amount in (
            (Kind.CHARGE, Purse.HELD, Purse.REVENUE, charge.from_held),
            (Kind.RELEASE, Purse.HELD, Purse.AVAILABLE, charge.released),
            (Kind.CHARGE, Purse.AVAILABLE, Purse.REVENUE, from_available),
            (Kind.CHARGE, Purse.RECEIVABLE, Purse.REVENUE, charge.otherwise - from_available),
        ):
            if amount:
                made.append(
                    Entry(
                        kind=kind,
                        account=account,
                        debit=debit,
                        credit=credit,
                        amount=amount,
                        reference=reference,
                    )
                )
    return made


def _is_settled(session: BilledSession) -> bool:
    if session.state != "closing" or session.last_seq is None:
        return False
    return session.covered.contains(0, session.last_seq + 1 + session.in_doubt)


def _by_account(charges: Iterable[SessionCharge]) -> dict[str, AccountCharge]:
    accounts: dict[str, AccountCharge] = defaultdict(AccountCharge)
    for charge in charges:
        account = accounts[charge.identity.account]
        account.from_held += charge.paid_from_held
        account.otherwise += charge.paid_otherwise
        account.released += charge.released
    return dict(accounts)


def _contradiction(identity: Identity, session: BilledSession | None) -> str:
    if session is None:
        return f"no session {identity.stream}/{identity.epoch} was ever opened"
    theirs, ours = identity._asdict(), session.identity._asdict()
    wrong = ", ".join(
        f"{name} is {theirs[name]!r}, not {ours[name]!r}"
        for name in ours
        if theirs[name] != ours[name]
    )
    return f"contradicts session {identity.stream}/{identity.epoch}: {wrong}"
