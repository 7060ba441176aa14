"""The whole system as a user runs it: gateway, biller, detector, producer, on a fresh ground.

An account that can pay and an operator's key are real, and so is the proof afterwards: all
sessions settle, each detected frame is charged to the millitoken, the audit holds.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from benchmarks.ground import START_TIMEOUT_S, Ground, Site, fresh_ground
from benchmarks.play import ACCOUNT
from benchmarks.sight import Sight, watching
from benchmarks.subject import Subject
from billing.accounts import Accounts
from billing.audit import audit
from billing.sessions import Sessions
from billing.tariff import unit_price
from cli.deployment import database
from cli.local.ports import LOOPBACK, free_port
from cli.streams import publish, withdraw
from wire.errors import Misconfigured
from wire.frames import MAX_AGE_MS_MAX
from wire.streams import FPS_MAX, Pace, StreamSpec

TOKENS_MILLI = 10**12
SETTLE_TIMEOUT_S = 60.0
POLL_S = 0.05
ROLES = ("gateway", "biller", "detector", "producer")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A running system; `sight` sees its detections."""

    subject: Subject
    ground: Ground
    sight: Sight
    _pool: "asyncpg.Pool[Any]"

    def camera(self, stream: str, source: Path) -> StreamSpec:
        """Return a camera that plays every picture of a file once, as fast as it goes."""
        return msgspec.structs.replace(
            self.subject.camera,
            stream=stream,
            account=ACCOUNT,
            source=str(source),
            fps=FPS_MAX,
            pace=Pace.FAST,
            loop=False,
            max_age_ms=MAX_AGE_MS_MAX,
        )

    async def add(self, specs: Sequence[StreamSpec]) -> None:
        """Let the producer play these cameras."""
        await publish(self.ground.target, tuple(specs))

    async def remove(self, streams: Sequence[str]) -> None:
        """Let the producer stop them and close their sessions."""
        await withdraw(self.ground.target, tuple(streams))

    async def has_settled(self) -> bool:
        """Wait until every session has come to its end; say whether that happened in time."""
        sessions = Sessions(self._pool, self.ground.target.clock)
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while await sessions.unsettled(ACCOUNT):
            self.ground.check()
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def is_exact(self, *, detected: int) -> bool:
        """Say whether so many frames are charged and no others, and the audit holds.

        The producer has been stopped.
        """
        if not await self.has_settled():
            return False
        spec, target = self.subject.spec, self.ground.target
        price = unit_price(
            size_class=spec.size_class, height=self.subject.height, width=self.subject.width
        )
        charged = await self._pool.fetchval(
            "select coalesce(sum(amount), 0) from transfer where kind = 'charge'"
        )
        report = await audit(self._pool, redis=None, kafka=target.kafka, topics=target.topics)
        return bool(charged == detected * price and report.ok)


@asynccontextmanager
async def running(site: Site, name: str, subject: Subject) -> AsyncIterator[System]:
    """Start the system and give it, once the gateway answers."""
    async with (
        fresh_ground(site, name, subject.spec) as ground,
        database(ground.target) as pool,
        watching(ground) as sight,
    ):
        accounts = Accounts(pool, ground.target.clock)
        await accounts.create(ACCOUNT)
        await accounts.top_up(ACCOUNT, TOKENS_MILLI, "bench")
        key = (await accounts.create_key(None, ("sessions", "read"))).secret
        port = free_port()
        gateway = f"http://{LOOPBACK}:{port}"
        told = {
            "gateway": {"FRAMEMETER_HOST": LOOPBACK, "FRAMEMETER_PORT": str(port)},
            "producer": {"FRAMEMETER_GATEWAY": gateway, "FRAMEMETER_KEY": key},
        }
        for role in ROLES:
            ground.start(role, told.get(role))
        await _answers(ground, f"{gateway}/readyz")
        yield System(subject=subject, ground=ground, sight=sight, _pool=pool)


async def _answers(ground: Ground, url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    async with httpx.AsyncClient() as client:
        while time.monotonic() < deadline:
            ground.check()
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx.HTTPError:
                pass  # it does not listen yet
            await asyncio.sleep(POLL_S)
    raise Misconfigured(f"the gateway was not ready after {START_TIMEOUT_S:.0f} s")
