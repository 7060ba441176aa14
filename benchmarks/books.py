"""Real accounts and sessions for benchmarks, and the proof afterwards that all was charged.

A benchmark whose money is wrong measured something else; so its figures say whether it is right.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from benchmarks.pictures import CAMERA
from billing.accounts import Accounts
from billing.audit import audit
from billing.sessions import Sessions
from billing.tariff import unit_price
from cli.deployment import Deployment
from samples.catalog import PARK_MODEL
from wire.frames import Tier
from wire.sessions import GRANT_FRAMES_MAX, CloseSession, OpenSession, RenewSession

PRICE = unit_price(
    size_class=PARK_MODEL.size_class, height=PARK_MODEL.height, width=PARK_MODEL.width
)
"""Millitokens a frame."""
SESSION_TTL_S = 3_600.0
SETTLE_TIMEOUT_S = 30.0
SETTLE_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A session with every one of its frames paid for."""

    account: str
    stream: str
    epoch: int


class Books:
    """The ledger of one ground."""

    def __init__(self, pool: "asyncpg.Pool[Any]", target: Deployment) -> None:
        self._pool = pool
        self._target = target
        self._accounts = Accounts(pool, target.clock)
        self._sessions = Sessions(pool, target.clock, SESSION_TTL_S)

    async def open_account(self, account: str, *, frames: int) -> None:
        """Make an account that can pay for so many frames, and for as many again.

        A balance that would just suffice is shared out in small grants.
        """
        await self._accounts.create(account)
        await self._accounts.top_up(account, 2 * frames * PRICE, "bench")

    async def open_session(self, account: str, stream: str, *, frames: int) -> OpenedSession:
        """Open a session and have all its frames granted."""
        request = OpenSession(
            account=account,
            stream=stream,
            model=CAMERA.model,
            height=CAMERA.height,
            width=CAMERA.width,
            tier=Tier.STANDARD,
            frames=min(frames, GRANT_FRAMES_MAX),
        )
        grant = await self._sessions.open(request)
        while (done := grant.granted_frames) < frames:
            more = min(frames - done, GRANT_FRAMES_MAX)
            renewal = RenewSession(published=done, captured=done, frames=more)
            grant = await self._sessions.renew(stream, grant.epoch, renewal)
            assert grant.granted_frames > done, "the account was opened with too few tokens"
        return OpenedSession(account=account, stream=stream, epoch=grant.epoch)

    async def close_session(self, session: OpenedSession, *, published: int) -> None:
        """Close a session whose frames 0..published-1 were published."""
        request = CloseSession(last_seq=published - 1, captured=published, reason="ended")
        await self._sessions.close(session.stream, session.epoch, request)

    async def are_exact(self, accounts: Sequence[str], *, detected: int) -> bool:
        """Say whether all sessions settle, these frames and no others are charged, the audit holds.

        The sessions are closed. The audit counts the topic `usage` again, on its own.
        """
        if not await self._settle(accounts):
            return False
        charged = await self._pool.fetchval(
            "select coalesce(sum(amount), 0) from transfer where kind = 'charge'"
        )
        report = await audit(
            self._pool, redis=None, kafka=self._target.kafka, topics=self._target.topics
        )
        return bool(charged == detected * PRICE and report.ok)

    async def _settle(self, accounts: Sequence[str]) -> bool:
        """Wait until every closed session has come to its end; say whether that happened in time.

        It does not happen when the ledger misses a frame of one.
        """
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while sum([await self._sessions.unsettled(account) for account in accounts]):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(SETTLE_POLL_S)
        return True
