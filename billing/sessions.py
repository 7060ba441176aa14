"""The life of a session in the ledger: open, renew, close, expire.

Every call is one transaction and may be repeated. Locks are taken in one order everywhere:
stream, sessions by (stream, epoch), balances by account. What is granted moves from available to
held before the grant is told to anyone, so frames are paid for before they are published.
"""

from datetime import datetime, timedelta
from typing import Any

import asyncpg

from billing import grants, janitor
from billing.coverage import Coverage
from billing.database import connected, in_transaction
from billing.funds import Terms, Told, entry_of, grant_of, lock_funds
from billing.grants import SEQ_MAX, Ask, SessionState
from billing.ledger import Entry, Kind, Purse, lock_balance, post
from billing.pricing import price_of
from billing.queries import sql
from billing.renewals import Renewal, Renewals
from billing.text import storable
from wire.balances import format_tokens
from wire.clock import Clock
from wire.errors import InsufficientTokens, NotAllowed, Rejected, UnknownAccount
from wire.frames import INT64_MAX
from wire.names import is_name
from wire.sessions import (
    CloseSession,
    Grant,
    OpenSession,
    RenewSession,
    check_close,
    check_open,
    check_renew,
)

SESSION_TTL_S = 60.0
REASON_LENGTH_MAX = 256


class Sessions:
    """Opens sessions and keeps their grants. `ttl_s` is how long one lives without a sign."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        clock: Clock,
        ttl_s: float = SESSION_TTL_S,
        *,
        expiry: janitor.Expiry | None = None,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ttl = timedelta(seconds=ttl_s)
        self._expiry = expiry or janitor.Expiry()
        self._renewals = Renewals(pool, clock, self._ttl)

    async def open(self, request: OpenSession) -> Grant:
        """Open the stream's next epoch and grant what the balance allows.

        Raises `UnknownAccount`, `UnknownModel`, `NotAllowed` when the stream is another
        account's, `InsufficientTokens` when not one frame can be paid, `Rejected`.
        """
        check_open(request)
        grant = await in_transaction(self._pool, lambda connection: self._open(connection, request))
        self._renewals.belongs(request.stream, request.account)
        return grant

    async def _open(self, connection: Any, request: OpenSession) -> Grant:
        if not await connection.fetchval(sql("accounts.exists"), request.account):
            raise UnknownAccount(f"there is no account {request.account!r}")
        now = self._clock.now()
        priced = await price_of(connection, request, now)
        price = priced.unit_price
        await _bind_stream(connection, request)
        epoch = 1 + await connection.fetchval(sql("sessions.last_epoch"), request.stream)
        await connection.execute(sql("sessions.supersede"), request.stream, now)
        terms = Terms(account=request.account, stream=request.stream, epoch=epoch, unit_price=price)
        funds = (await lock_funds(connection, [request.account]))[request.account]
        (extension,) = grants.share(
            [Ask(unspent=0, wanted=request.frames, unit_price=price)],
            available=funds.balance.available,
            sessions=funds.sessions + 1,
        )
        if extension.frames == 0:
            raise InsufficientTokens(
                f"a frame costs {format_tokens(price)} tokens and account {request.account!r}"
                f" has {format_tokens(funds.balance.available)}: top it up"
            )
        await connection.execute(
            sql("sessions.open"),
            request.stream,
            epoch,
            request.account,
            request.model,
            priced.task,
            request.height,
            request.width,
            request.tier.value,
            price,
            priced.tariff,
            now,
            now + self._ttl,
            extension.frames,
            priced.plan,
            request.batch_images,
            priced.size_class,
            None if request.slices is None else str(request.slices),
        )
        entry = entry_of(terms, frames=extension.frames, granted=extension.frames)
        balance = (await post(connection, now, [entry]))[request.account]
        told = Told(granted=extension.frames, final=extension.final, expires_at=now + self._ttl)
        return grant_of(terms, told, balance, funds.when_unreachable)

    async def renew(
        self, stream: str, epoch: int, request: RenewSession, account: str | None = None
    ) -> Grant:
        """Top the grant up to `published + frames`; also the session's sign of life.

        Done together with the renewals that arrive meanwhile. `account` None: an operator calls.
        Raises `UnknownAccount` for a session that is not there or not the account's,
        `SessionOver`, `Rejected`.
        """
        check_renew(request)
        if max(request.published, request.captured, request.still) > SEQ_MAX:
            raise Rejected("published, captured and still are too large to be true")
        _check_key(stream, epoch)
        return await self._renewals.renew(
            Renewal(stream=stream, epoch=epoch, request=request, account=account)
        )

    async def close(
        self, stream: str, epoch: int, request: CloseSession, account: str | None = None
    ) -> None:
        """End the session at `last_seq`; give back at once what cannot be used any more.

        A repeat changes nothing. Raises `UnknownAccount` as `renew` does, and `Rejected`.
        """
        check_close(request)
        if max(request.last_seq, request.captured, request.in_doubt, request.still) > SEQ_MAX:
            raise Rejected("last_seq, captured, in_doubt and still are too large to be true")
        await in_transaction(
            self._pool, lambda connection: self._close(connection, stream, epoch, request, account)
        )

    async def _close(
        self, connection: Any, stream: str, epoch: int, request: CloseSession, account: str | None
    ) -> None:
        session = await _lock_session(connection, stream, epoch, account)
        if not grants.is_closable(session):
            return
        closing = grants.close(session, last_seq=request.last_seq, in_doubt=request.in_doubt)
        now = self._clock.now()
        await connection.execute(
            sql("sessions.close"),
            stream,
            epoch,
            closing.state,
            request.last_seq,
            request.captured,
            storable(request.reason[:REASON_LENGTH_MAX]),
            request.in_doubt,
            closing.held_frames,
            now,
            request.still,
        )
        freed = session.held_frames - closing.held_frames
        if freed:
            await lock_balance(connection, session.account)
            entry = Entry(
                kind=Kind.RELEASE,
                account=session.account,
                debit=Purse.HELD,
                credit=Purse.AVAILABLE,
                amount=freed * session.unit_price,
                reference=f"close/{stream}/{epoch}",
            )
            await post(connection, now, [entry])

    async def unsettled(self, account: str) -> int:
        """Return how many of the account's sessions have not come to their end."""
        async with connected(self._pool) as connection:
            return int(await connection.fetchval(sql("sessions.unsettled"), account))

    async def expire(self, now: datetime) -> int:
        """End the sessions whose owners vanished, as far as it is safe; return how many."""
        return await janitor.expire(self._pool, now, self._expiry)


async def _bind_stream(connection: Any, request: OpenSession) -> None:
    """Lock the stream's row, made for the first account that names it."""
    await connection.execute(sql("sessions.bind_stream"), request.stream, request.account)
    owner = await connection.fetchval(sql("sessions.lock_stream"), request.stream)
    if owner != request.account:
        raise NotAllowed(f"stream {request.stream!r} belongs to another account: use another name")


async def _lock_session(
    connection: Any, stream: str, epoch: int, account: str | None
) -> SessionState:
    _check_key(stream, epoch)
    row = await connection.fetchrow(sql("sessions.lock"), stream, epoch, account)
    if row is None:
        raise _no_session(stream, epoch)
    fields = dict(row)
    covered = Coverage((part.lower, part.upper) for part in fields.pop("covered"))
    return SessionState(**fields, covered=covered)


def _check_key(stream: str, epoch: int) -> None:
    """Raise `UnknownAccount` for what cannot name a session, before the database is asked."""
    if not (0 <= epoch <= INT64_MAX and is_name(stream)):
        raise _no_session(stream, epoch)


def _no_session(stream: str, epoch: int) -> UnknownAccount:
    return UnknownAccount(f"there is no session {stream}/{epoch} of yours")
