"""What an account's sessions draw on, locked: its balance, its policy, how many are open.

Turns decisions of `billing.grants` into ledger entries and into the grants that owners are told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.ledger import Entry, Kind, Purse
from billing.queries import sql
from wire.balances import Balance
from wire.sessions import Grant, WhenUnreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """One account's; `sessions` counts those that are open as this transaction sees it."""

    balance: Balance
    when_unreachable: WhenUnreachable
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a grant is made under: the session's fixed terms."""

    account: str
    stream: str
    epoch: int
    unit_price: int


async def lock_funds(connection: Any, accounts: Iterable[str]) -> dict[str, Funds]:
    """Lock the balances, in the order of the accounts' names; return what there is to draw on."""
    rows = await connection.fetch(sql("sessions.lock_funds"), sorted(set(accounts)))
    return {row["account"]: _funds(dict(row)) for row in rows}


def _funds(row: dict[str, Any]) -> Funds:
    policy, sessions = row.pop("when_unreachable"), row.pop("sessions")
    return Funds(
        balance=Balance(**row), when_unreachable=WhenUnreachable(policy), sessions=sessions
    )


def entry_of(terms: Terms, *, frames: int, granted: int) -> Entry:
    """Return the transfer that pays for `frames` more; `granted` is their count afterwards."""
    return Entry(
        kind=Kind.GRANT,
        account=terms.account,
        debit=Purse.AVAILABLE,
        credit=Purse.HELD,
        amount=frames * terms.unit_price,
        reference=f"grant/{terms.stream}/{terms.epoch}/{granted}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a grant came to."""

    granted: int
    final: bool
    expires_at: datetime


def grant_of(terms: Terms, told: Told, balance: Balance, policy: WhenUnreachable) -> Grant:
    """Return what the session's owner is told."""
    return Grant(
        stream=terms.stream,
        epoch=terms.epoch,
        unit_price=terms.unit_price,
        granted_frames=told.granted,
        final=told.final,
        expires_at=told.expires_at,
        available=balance.available,
        balance_version=balance.version,
        when_unreachable=policy,
    )
