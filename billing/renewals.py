"""Renewals, many in one transaction.

A renewal locks its account's balance until its commit is on the disk, so an account's streams
would wait for each other, one write after another. Here all renewals that arrive during one
transaction share the next. Each gets its own answer; what one did wrong is told to it alone.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from billing import grants
from billing.combining import Combiner
from billing.database import in_transaction
from billing.funds import Funds, Terms, Told, entry_of, grant_of, lock_funds
from billing.grants import Ask, Extension
from billing.ledger import post
from billing.queries import sql
from wire.balances import Balance
from wire.clock import Clock
from wire.errors import FramemeterError, UnknownAccount
from wire.sessions import Grant, RenewSession

LANES = 4
"""Transactions under way at once in one process; an account's renewals are all in one lane."""
BATCH_SIZE_MAX = 500
WAITING_MAX = 10_000
OWNERS_KNOWN_MAX = 100_000

Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """One call: which session, what is asked, and in whose name; `account` None: an operator's."""

    stream: str
    epoch: int
    request: RenewSession
    account: str | None

    @property
    def key(self) -> Key:
        """Which session it is about."""
        return self.stream, self.epoch


@dataclass(slots=True, kw_only=True)
class _Wish:
    """All that a batch asks for one session, which is open and locked."""

    terms: Terms
    granted: int
    published: int
    captured: int = 0
    still: int = 0
    target: int = 0

    def add(self, request: RenewSession) -> None:
        self.published = max(self.published, request.published)
        self.captured = max(self.captured, request.captured)
        self.still = max(self.still, request.still)
        self.target = max(self.target, request.published + request.frames)

    @property
    def ask(self) -> Ask:
        return Ask(
            unspent=self.granted - self.published,
            wanted=max(0, self.target - self.published),
            unit_price=self.terms.unit_price,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    wish: _Wish
    extension: Extension

    @property
    def granted(self) -> int:
        return self.wish.granted + self.extension.frames


class Renewals:
    """Renews sessions for one process."""

    def __init__(self, pool: "asyncpg.Pool[Any]", clock: Clock, ttl: timedelta) -> None:
        self._pool = pool
        self._clock = clock
        self._ttl = ttl
        self._owners: dict[str, str] = {}
        self._lanes: list[Combiner[Renewal, Grant]] = [
            Combiner(
                self._together,
                batch_size_max=BATCH_SIZE_MAX,
                waiting_max=WAITING_MAX,
                what="renewals",
            )
            for _ in range(LANES)
        ]

    async def renew(self, renewal: Renewal) -> Grant:
        """Renew one session, together with whoever else asks; raises as `Sessions.renew` does."""
        return await self._lane(renewal).do(renewal)

    async def renew_alone(self, renewal: Renewal) -> Grant:
        """Renew one session in a transaction of its own, waiting for no other."""
        (outcome,) = await self._transact([renewal])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def belongs(self, stream: str, account: str) -> None:
        """Note whose stream this is, so that it shares a lane with the account's others."""
        if len(self._owners) >= OWNERS_KNOWN_MAX:
            self._owners.clear()
        self._owners[stream] = account

    def _lane(self, renewal: Renewal) -> Combiner[Renewal, Grant]:
        """Return the account's lane; a stream not seen before may wait in another, once."""
        owner = renewal.account or self._owners.get(renewal.stream, renewal.stream)
        return self._lanes[zlib.crc32(owner.encode()) % LANES]

    async def _together(self, batch: Sequence[Renewal]) -> Sequence[Grant | Exception]:
        """Renew all; when the database takes offence at one of them, each on its own."""
        try:
            return await self._transact(batch)
        except asyncpg.PostgresError:
            return [await self._apart(renewal) for renewal in batch]

    async def _apart(self, renewal: Renewal) -> Grant | Exception:
        try:
            return await self.renew_alone(renewal)
        except (FramemeterError, asyncpg.PostgresError) as error:
            return error

    async def _transact(self, batch: Sequence[Renewal]) -> list[Grant | Exception]:
        return await in_transaction(self._pool, lambda connection: self._renew(connection, batch))

    async def _renew(self, connection: Any, batch: Sequence[Renewal]) -> list[Grant | Exception]:
        """1. Lock the sessions. 2. Sort out what cannot be. 3. Lock their accounts' balances.
        4. Decide. 5. Write the grants. 6. Move the money."""
        rows = await _lock(connection, batch)
        refusals = [_refusal(renewal, rows.get(renewal.key)) for renewal in batch]
        wishes = _wishes(batch, refusals, rows)
        for wish in wishes.values():
            self.belongs(wish.terms.stream, wish.terms.account)
        funds = await lock_funds(connection, (wish.terms.account for wish in wishes.values()))
        decided = _decide(wishes.values(), funds)
        now = self._clock.now()
        if decided:
            await _write(connection, decided.values(), now + self._ttl)
        balances = await _pay(connection, decided.values(), now)
        return [
            refusal or self._grant(decided[renewal.key], funds, balances, now)
            for renewal, refusal in zip(batch, refusals, strict=True)
        ]

    def _grant(
        self,
        decided: _Decided,
        funds: dict[str, Funds],
        balances: dict[str, Balance],
        now: datetime,
    ) -> Grant:
        terms = decided.wish.terms
        known = funds[terms.account]
        told = Told(
            granted=decided.granted, final=decided.extension.final, expires_at=now + self._ttl
        )
        balance = balances.get(terms.account, known.balance)
        return grant_of(terms, told, balance, known.when_unreachable)


async def _lock(connection: Any, batch: Sequence[Renewal]) -> dict[Key, Any]:
    keys = sorted({renewal.key for renewal in batch})
    rows = await connection.fetch(
        sql("sessions.lock_renewed"), [stream for stream, _ in keys], [epoch for _, epoch in keys]
    )
    return {(row["stream"], row["epoch"]): row for row in rows}


def _refusal(renewal: Renewal, row: Any | None) -> FramemeterError | None:
    """Return why this one cannot be renewed, if so."""
    if row is None or renewal.account not in (None, row["account"]):
        return UnknownAccount(f"there is no session {renewal.stream}/{renewal.epoch} of yours")
    try:
        grants.check_renewable(
            state=row["state"],
            granted_frames=row["granted_frames"],
            published=renewal.request.published,
        )
    except FramemeterError as error:
        return error
    return None


def _wishes(
    batch: Sequence[Renewal], refusals: Sequence[FramemeterError | None], rows: dict[Key, Any]
) -> dict[Key, _Wish]:
    """Return what is asked for each session, in the order in which they asked first."""
    wishes: dict[Key, _Wish] = {}
    for renewal, refusal in zip(batch, refusals, strict=True):
        if refusal is not None:
            continue
        row = rows[renewal.key]
        if renewal.key not in wishes:
            terms = Terms(
                account=row["account"],
                stream=renewal.stream,
                epoch=renewal.epoch,
                unit_price=row["unit_price"],
            )
            wishes[renewal.key] = _Wish(
                terms=terms, granted=row["granted_frames"], published=row["published"]
            )
        wishes[renewal.key].add(renewal.request)
    return wishes


def _decide(wishes: Iterable[_Wish], funds: dict[str, Funds]) -> dict[Key, _Decided]:
    by_account: dict[str, list[_Wish]] = {}
    for wish in wishes:
        by_account.setdefault(wish.terms.account, []).append(wish)
    decided = {}
    for account, group in by_account.items():
        extensions = grants.share(
            [wish.ask for wish in group],
            available=funds[account].balance.available,
            sessions=funds[account].sessions,
        )
        for wish, extension in zip(group, extensions, strict=True):
            key = wish.terms.stream, wish.terms.epoch
            decided[key] = _Decided(wish=wish, extension=extension)
    return decided


async def _write(connection: Any, decided: Iterable[_Decided], expires_at: datetime) -> None:
    done = list(decided)
    await connection.execute(
        sql("sessions.renew"),
        [each.wish.terms.stream for each in done],
        [each.wish.terms.epoch for each in done],
        [each.extension.frames for each in done],
        [each.wish.published for each in done],
        [each.wish.captured for each in done],
        [each.wish.still for each in done],
        expires_at,
    )


async def _pay(connection: Any, decided: Iterable[_Decided], now: datetime) -> dict[str, Balance]:
    entries = [
        entry_of(each.wish.terms, frames=each.extension.frames, granted=each.granted)
        for each in decided
        if each.extension.frames
    ]
    return await post(connection, now, entries)
