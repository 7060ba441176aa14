"""Accounts, what they have, and top-ups.

Promises that a top-up with the same reference counts once, and that money enters the ledger in
no other way. API keys are in `billing.keys`; `Accounts` offers them too, for one port to hold.
"""

from dataclasses import dataclass
from typing import Any

import asyncpg

from billing import keys
from billing.database import connected, in_transaction
from billing.keys import Caller, NewKey
from billing.ledger import Entry, Kind, Purse, lock_balance, post
from billing.queries import sql
from wire.balances import Balance
from wire.clock import Clock
from wire.errors import Rejected, UnknownAccount
from wire.names import is_name, name_rule
from wire.sessions import WhenUnreachable

AMOUNT_MAX = 10**15
"""In millitokens: far above any real top-up, far below what 64 bits hold."""
REFERENCE_LENGTH_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """The outcome of a top-up: `applied` is False when the reference had been used already."""

    applied: bool


class Accounts:
    """Opens accounts, tops them up, and knows who holds which key."""

    def __init__(self, pool: "asyncpg.Pool[Any]", clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def create(self, account: str) -> bool:
        """Open an account with nothing in it; return False when it was there already."""
        if not is_name(account):
            raise Rejected(name_rule("account", account))

        async def work(connection: Any) -> bool:
            made = await connection.execute(sql("accounts.create"), account, self._clock.now())
            await connection.execute(sql("accounts.create_balance"), account)
            return bool(made.endswith(" 1"))

        return await in_transaction(self._pool, work)

    async def top_up(self, account: str, millitokens: int, reference: str) -> TopUp:
        """Add `millitokens` to what is available, once per `reference`.

        Raises `UnknownAccount`, and `Rejected` for an amount or a reference that cannot be, or
        when the reference was used for another amount.
        """
        _check_top_up(millitokens, reference)
        entry = Entry(
            kind=Kind.TOPUP,
            account=account,
            debit=Purse.ISSUED,
            credit=Purse.AVAILABLE,
            amount=millitokens,
            reference=f"topup/{reference}",
        )
        return await in_transaction(self._pool, lambda connection: self._top_up(connection, entry))

    async def _top_up(self, connection: Any, entry: Entry) -> TopUp:
        await lock_balance(connection, entry.account)
        written = await connection.fetchval(
            sql("accounts.top_up"), entry.account, entry.reference, entry.amount
        )
        if written is not None:
            await post(connection, self._clock.now(), [entry])
            return TopUp(applied=True)
        before = await connection.fetchval(
            sql("accounts.top_up_amount"), entry.account, entry.reference
        )
        if before != entry.amount:
            raise Rejected(
                f"{entry.reference!r} was used for {before} millitokens, not {entry.amount}:"
                " use another reference for another top-up"
            )
        return TopUp(applied=False)

    async def balance(self, account: str) -> Balance:
        """Return what the account has; raise `UnknownAccount`."""
        async with connected(self._pool) as connection:
            known = is_name(account)
            row = await connection.fetchrow(sql("accounts.balance"), account) if known else None
        if row is None:
            raise UnknownAccount(f"there is no account {account!r}")
        return Balance(**row)

    async def set_policy(self, account: str, policy: WhenUnreachable) -> None:
        """Say what the account's streams do while billing is away; from their next renewal on.

        Raises `UnknownAccount`.
        """
        async with connected(self._pool) as connection:
            known = is_name(account)
            told = known and await connection.fetchval(sql("accounts.set_policy"), account, policy)
        if not told:
            raise UnknownAccount(f"there is no account {account!r}")

    async def create_key(self, account: str | None, scopes: tuple[str, ...]) -> NewKey:
        """Make an API key; its secret is told this once. No account: an operator's key."""
        return await keys.create(self._pool, self._clock.now(), account, scopes)

    async def authenticate(self, secret: str) -> Caller:
        """Return whose key this is; raise `NotAllowed` when it is unknown or revoked."""
        return await keys.authenticate(self._pool, secret)

    async def revoke_key(self, key_id: str) -> bool:
        """End a key at once; return False when there was no such living key."""
        return await keys.revoke(self._pool, self._clock.now(), key_id)


def _check_top_up(millitokens: int, reference: str) -> None:
    if not 0 < millitokens <= AMOUNT_MAX:
        raise Rejected(f"a top-up is 1 to {AMOUNT_MAX} millitokens, not {millitokens}")
    if not 0 < len(reference) <= REFERENCE_LENGTH_MAX or not reference.isprintable():
        raise Rejected(f"a reference has 1 to {REFERENCE_LENGTH_MAX} printable characters")
