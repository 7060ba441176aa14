"""Who is told of a low balance: an account's thresholds, its webhook, and what it was told.

An alert is about what is left to an account, `available + held`. A grant takes from the one and
gives to the other, and every renewal does so: on `available` alone an account that is far from
empty would be told again with each grant that comes and goes. What was charged is gone for good,
so the sum falls once.

The crossing itself is found by a trigger in the transaction that changes the balance. Here the
balance is locked too, so that no change falls between a threshold and its first look.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg

from billing import webhooks
from billing.accounts import AMOUNT_MAX
from billing.database import in_transaction
from billing.ledger import lock_balance
from billing.queries import sql
from wire.balances import BalanceAlert
from wire.clock import Clock
from wire.errors import Rejected, UnknownAccount
from wire.names import is_name

THRESHOLDS_MAX = 16
EVENTS_SHOWN = 20


class State(StrEnum):
    """How far the webhook's delivery of an alert is."""

    NONE = "none"  # there was no webhook
    PENDING = "pending"
    DELIVERED = "delivered"
    GAVE_UP = "gave_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """In millitokens; `is_low`: less than it is left, and this has been seen."""

    threshold: int
    is_low: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An alert that was written, and what became of it."""

    alert: BalanceAlert
    at: datetime
    published_at: datetime | None
    state: State
    attempts: int
    next_attempt_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStatus:
    """An account's thresholds, the highest first; its webhook's URL; its newest alerts, if any."""

    account: str
    thresholds: tuple[Threshold, ...]
    webhook: str | None
    told: tuple[Told, ...]


class Alerts:
    """Thresholds and webhooks of accounts. All calls raise `UnknownAccount`."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", clock: Clock, *, allow_private: bool = False
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._allow_private = allow_private

    async def status(self, account: str) -> AlertStatus:
        """Return what is set, and what was told of late."""
        return await in_transaction(self._pool, lambda connection: _status(connection, account))

    async def set_thresholds(self, account: str, thresholds: Iterable[int]) -> AlertStatus:
        """Replace the thresholds (in millitokens); those that stay know what they have seen.

        A threshold above what is left now is low from the start and tells nobody: the answer says
        so. Raises `Rejected` for too many, or for one that cannot be.
        """
        wanted = _checked(thresholds)

        async def work(connection: Any) -> AlertStatus:
            balance = await lock_balance(connection, account)
            await connection.execute(sql("alerts.keep_thresholds"), account, wanted)
            remaining = balance.available + balance.held
            await connection.execute(sql("alerts.add_thresholds"), account, wanted, remaining)
            return await _status(connection, account)

        return await in_transaction(self._pool, work)

    async def remove_thresholds(self, account: str, thresholds: Iterable[int]) -> AlertStatus:
        """Remove these thresholds, or all when none is given; raise `Rejected` for one not set."""
        unwanted = set(thresholds)

        async def work(connection: Any) -> AlertStatus:
            await lock_balance(connection, account)
            known = {each.threshold for each in (await _status(connection, account)).thresholds}
            if unwanted - known:
                raise Rejected(f"not all of these are thresholds of {account}: see what is set")
            left = list(known - unwanted) if unwanted else []
            await connection.execute(sql("alerts.keep_thresholds"), account, left)
            return await _status(connection, account)

        return await in_transaction(self._pool, work)

    async def set_webhook(self, account: str, url: str) -> str:
        """Send the account's alerts to `url` from now on; return the new secret, told this once.

        What is not delivered yet goes to the new URL, with the new secret. Raises `Rejected` when
        the URL cannot be used.
        """
        try:
            webhooks.check_url(url, allow_private=self._allow_private)
        except Rejected as error:
            raise Rejected(f"this URL cannot be a webhook's: {error}") from None
        secret = webhooks.new_secret()

        async def work(connection: Any) -> None:
            await lock_balance(connection, account)
            now = self._clock.now()
            await connection.execute(sql("alerts.set_webhook"), account, url, secret, now)

        await in_transaction(self._pool, work)
        return webhooks.shown(secret)

    async def remove_webhook(self, account: str) -> bool:
        """Send nothing any more, what is under way neither; return False when there was none."""

        async def work(connection: Any) -> bool:
            await lock_balance(connection, account)
            done = await connection.execute(sql("alerts.remove_webhook"), account)
            await connection.execute(sql("alerts.drop_deliveries"), account, self._clock.now())
            return bool(done.endswith(" 1"))

        return await in_transaction(self._pool, work)


def _checked(thresholds: Iterable[int]) -> list[int]:
    wanted = sorted(set(thresholds))
    if len(wanted) > THRESHOLDS_MAX:
        raise Rejected(f"an account has at most {THRESHOLDS_MAX} thresholds, not {len(wanted)}")
    if any(not 0 < threshold <= AMOUNT_MAX for threshold in wanted):
        raise Rejected(f"a threshold is 1 to {AMOUNT_MAX} millitokens")
    return wanted


async def _status(connection: Any, account: str) -> AlertStatus:
    if not is_name(account) or not await connection.fetchval(sql("accounts.exists"), account):
        raise UnknownAccount(f"there is no account {account!r}")
    thresholds = await connection.fetch(sql("alerts.thresholds"), account)
    told = await connection.fetch(sql("alerts.events"), account, EVENTS_SHOWN)
    return AlertStatus(
        account=account,
        thresholds=tuple(Threshold(**row) for row in thresholds),
        webhook=await connection.fetchval(sql("alerts.webhook"), account),
        told=tuple(map(_told, told)),
    )


def _told(row: Any) -> Told:
    return Told(
        alert=alert_of(row),
        at=row["at"],
        published_at=row["published_at"],
        state=_state(row),
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        last_error=row["last_error"],
    )


def _state(row: Any) -> State:
    if row["next_attempt_at"] is not None:
        return State.PENDING
    if row["delivered_at"] is not None:
        return State.DELIVERED
    return State.NONE if row["given_up_at"] is None else State.GAVE_UP


def alert_of(row: Any) -> BalanceAlert:
    """Return the message of a row of `alert_event`."""
    return BalanceAlert(
        account=row["account"],
        threshold=row["threshold"],
        version=row["version"],
        available=row["available"],
        held=row["held"],
    )
