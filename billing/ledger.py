"""Double entry: transfers between ledger accounts, and the balances that they add up to.

`available/<account>`, `held/<account>`, `receivable/<account>`, `issued` and `revenue` are the
ledger accounts. Every change of a balance is written here, in the caller's transaction, together
with the transfers that make it: `post` derives the one from the other, so they cannot differ.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from billing.queries import sql
from wire.balances import Balance
from wire.errors import UnknownAccount
from wire.names import is_name


class Kind(StrEnum):
    """Why money moved."""

    TOPUP = "topup"
    GRANT = "grant"
    CHARGE = "charge"
    RELEASE = "release"
    ADJUST = "adjust"


class Purse(StrEnum):
    """The parts of an account's balance, and the two ledger accounts that are the house's."""

    AVAILABLE = "available"
    HELD = "held"
    RECEIVABLE = "receivable"
    ISSUED = "issued"
    REVENUE = "revenue"

    def of(self, account: str) -> str:
        """Return the ledger account's name."""
        if self in (Purse.ISSUED, Purse.REVENUE):
            return self.value
        return f"{self.value}/{account}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transfer to be written: `amount` millitokens (> 0) from `debit` to `credit`."""

    kind: Kind
    account: str
    debit: Purse
    credit: Purse
    amount: int
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A transfer as it was written."""

    id: int
    at: datetime
    kind: str
    debit: str
    credit: str
    amount: int
    reference: str
    account: str


async def lock_balances(connection: Any, accounts: Iterable[str]) -> dict[str, Balance]:
    """Lock and return the balances, in the order of the accounts' names."""
    rows = await connection.fetch(sql("accounts.lock_balances"), sorted(set(accounts)))
    return {row["account"]: Balance(**row) for row in rows}


async def lock_balance(connection: Any, account: str) -> Balance:
    """Lock and return one balance; raise `UnknownAccount`."""
    balances = await lock_balances(connection, [account] if is_name(account) else [])
    if account not in balances:
        raise UnknownAccount(f"there is no account {account!r}")
    return balances[account]


async def post(connection: Any, at: datetime, entries: Sequence[Entry]) -> dict[str, Balance]:
    """Write the transfers and the balances that they change; return the new balances.

    The caller holds the balances' locks. A balance that would fall below zero, or an entry that
    was written before, fails the transaction.
    """
    if not entries:
        return {}
    assert all(entry.amount > 0 for entry in entries)
    await connection.execute(
        sql("accounts.transfer"),
        at,
        [entry.kind.value for entry in entries],
        [entry.debit.of(entry.account) for entry in entries],
        [entry.credit.of(entry.account) for entry in entries],
        [entry.amount for entry in entries],
        [entry.reference for entry in entries],
        [entry.account for entry in entries],
    )
    return await change_balances(connection, entries)


async def change_balances(connection: Any, entries: Sequence[Entry]) -> dict[str, Balance]:
    """Apply entries, whose transfers are written, to the balances; return the new ones."""
    changes = _changes(entries)
    accounts = sorted(changes)
    rows = await connection.fetch(
        sql("accounts.change_balances"),
        accounts,
        [changes[account][Purse.AVAILABLE] for account in accounts],
        [changes[account][Purse.HELD] for account in accounts],
        # What an account owes grows when money is taken out of its `receivable`.
        [-changes[account][Purse.RECEIVABLE] for account in accounts],
    )
    assert len(rows) == len(accounts), "every account has a balance"
    return {row["account"]: Balance(**row) for row in rows}


def _changes(entries: Iterable[Entry]) -> dict[str, dict[Purse, int]]:
    changes: dict[str, dict[Purse, int]] = defaultdict(lambda: defaultdict(int))
    for entry in entries:
        changes[entry.account][entry.debit] -= entry.amount
        changes[entry.account][entry.credit] += entry.amount
    return changes
