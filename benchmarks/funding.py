"""Renewals a second: many streams of one account, beside a transaction for each renewal.

Every renewal pays for frames, so each changes the account's balance, which is one row. Streams ask
again as soon as they are answered. The ledger is proven afterwards.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg

from benchmarks.books import PRICE, SESSION_TTL_S, Books
from benchmarks.ground import Site, fresh_ground
from benchmarks.record import Fields, Measured
from billing.audit import audit
from billing.database import open_pool
from billing.renewals import Renewal, Renewals
from billing.sessions import Sessions
from cli.demo.tally import percentile
from gateway.settings import GatewaySettings
from wire.clock import SystemClock
from wire.sessions import Grant, RenewSession

ACCOUNT = "fleet"
STREAMS = tuple(f"camera-{number}" for number in range(200))
GRANT_FRAMES = 20
SPENT_FRAMES = 14
"""How many frames a stream publishes between two renewals: 30 % of a grant are left."""
FRAMES_AFFORDED = 1_000_000_000
USUAL_SHARE = 0.5
"""How long the plain design is measured, as a share of the time of the other."""

Renew = Callable[[Renewal], Awaitable[Grant]]


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The streams, and how long each renewal of the present run took."""

    granted: dict[str, int]
    epochs: dict[str, int]
    took_ms: list[float] = field(default_factory=list)

    async def run(self, renew: Renew, seconds: float) -> float:
        """Renew all streams again and again for some time; return renewals a second."""
        self.took_ms.clear()
        started = time.monotonic()
        await asyncio.gather(*(self._live(renew, name, started + seconds) for name in STREAMS))
        return len(self.took_ms) / (time.monotonic() - started)

    async def _live(self, renew: Renew, stream: str, until_s: float) -> None:
        while (asked_at := time.monotonic()) < until_s:
            published = self.granted[stream] - GRANT_FRAMES + SPENT_FRAMES
            request = RenewSession(published=published, captured=published, frames=GRANT_FRAMES)
            grant = await renew(
                Renewal(stream=stream, epoch=self.epochs[stream], request=request, account=None)
            )
            assert grant.granted_frames > self.granted[stream], "every renewal pays for frames"
            self.granted[stream] = grant.granted_frames
            self.took_ms.append((time.monotonic() - asked_at) * 1_000)


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    connections = GatewaySettings.model_fields["pool_size"].default
    async with fresh_ground(site, "funding") as ground:
        pool = await open_pool(ground.target.postgres, size_max=connections)
        async with pool:
            books = Books(pool, ground.target)
            await books.open_account(ACCOUNT, frames=FRAMES_AFFORDED)
            opened = [
                await books.open_session(ACCOUNT, stream, frames=GRANT_FRAMES) for stream in STREAMS
            ]
            fleet = Fleet(
                granted=dict.fromkeys(STREAMS, GRANT_FRAMES),
                epochs={session.stream: session.epoch for session in opened},
            )
            found = await _compare(site, pool, fleet)
            exact = await _prove(pool, fleet)
            fsync = await pool.fetchval("show fsync")
    yield Measured(
        benchmark="funding",
        parameters={
            "streams": len(STREAMS),
            "accounts": 1,
            "connections": connections,
            "fsync": fsync,
        },
        figures=found | {"exact": exact},
    )


async def _compare(site: Site, pool: "asyncpg.Pool[Any]", fleet: Fleet) -> Fields:
    clock = SystemClock()
    sessions = Sessions(pool, clock, SESSION_TTL_S)
    plain = Renewals(pool, clock, timedelta(seconds=SESSION_TTL_S))

    async def together(renewal: Renewal) -> Grant:
        return await sessions.renew(renewal.stream, renewal.epoch, renewal.request)

    site.say(f"{len(STREAMS)} streams of one account, a transaction for each renewal")
    usual = await fleet.run(plain.renew_alone, site.seconds * USUAL_SHARE)
    usual_took_ms = list(fleet.took_ms)
    site.say("the same streams, renewed together")
    combined = await fleet.run(together, site.seconds)
    return figures(combined, fleet.took_ms, usual=usual, usual_took_ms=usual_took_ms)


def figures(
    combined: float, took_ms: list[float], *, usual: float, usual_took_ms: list[float]
) -> Fields:
    """Return both speeds, their ratio, and how long a renewal takes in each."""
    return {
        "renewals_per_second": round(combined),
        "renewals": len(took_ms),
        "p50_ms": _rounded(took_ms, 0.50),
        "p99_ms": _rounded(took_ms, 0.99),
        "usual_renewals_per_second": round(usual),
        "usual_p50_ms": _rounded(usual_took_ms, 0.50),
        "usual_p99_ms": _rounded(usual_took_ms, 0.99),
        "together_to_usual": round(combined / usual, 1),
    }


def _rounded(took_ms: Iterable[float], share: float) -> float | None:
    found = percentile(deque(took_ms), share)
    return None if found is None else round(found, 1)


async def _prove(pool: "asyncpg.Pool[Any]", fleet: Fleet) -> bool:
    """Say whether all that was granted is held, no more and no less, and the audit holds."""
    held = await pool.fetchval("select held from balance where account = $1", ACCOUNT)
    report = await audit(pool, redis=None, kafka=None, topics=None)
    return bool(held == sum(fleet.granted.values()) * PRICE and report.ok)
