"""The biller's memory while it charges millions of events: state is by session, not by frame.

A biller reads while `usage` is being filled; the memory of its process is looked at all the while.
The first tenth of the events is its warm-up.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from benchmarks.biller import ACCOUNTS, POSITION, SESSIONS, open_sessions
from benchmarks.books import Books
from benchmarks.ground import Ground, Site, fresh_ground
from benchmarks.record import Fields, Measured
from benchmarks.usage_events import fill_usage
from cli.deployment import database
from wire.errors import Misconfigured

EVENTS_PER_SECOND_OF_RUN = 250_000
"""How many events are charged for each second of `--seconds`: five million by default."""
PATIENCE_S_PER_EVENT = 1 / 5_000
LOOK_EVERY_S = 0.5
WARM_UP = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The process's resident memory when so many events were charged."""

    events: int
    memory_mib: float


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    frames = max(10, round(site.seconds * EVENTS_PER_SECOND_OF_RUN / SESSIONS))
    events = frames * SESSIONS
    async with fresh_ground(site, "memory") as ground, database(ground.target) as pool:
        books = Books(pool, ground.target)
        site.say(f"{SESSIONS} sessions of {len(ACCOUNTS)} accounts, {frames} frames each")
        sessions = await open_sessions(books, frames)
        site.say(f"{events} events, charged as they come")
        ground.start("biller")
        filling = asyncio.create_task(
            asyncio.to_thread(fill_usage, ground.target, sessions, frames)
        )
        looks = await _follow(ground, pool, filling, events)
        for session in sessions:
            await books.close_session(session, published=frames)
        site.say("the audit")
        exact = await books.are_exact(ACCOUNTS, detected=events)
    yield Measured(
        benchmark="memory",
        parameters={"events": events, "sessions": SESSIONS, "accounts": len(ACCOUNTS)},
        figures=figures(looks) | {"exact": exact},
    )


async def _follow(
    ground: Ground, pool: "asyncpg.Pool[Any]", filling: "asyncio.Task[None]", events: int
) -> list[Look]:
    looks: list[Look] = []
    seen = 0
    async with asyncio.timeout(60 + events * PATIENCE_S_PER_EVENT):
        while seen < events:
            ground.check()
            if filling.done():
                filling.result()
            seen = int(await pool.fetchval(POSITION, ground.target.topics.usage))
            looks.append(Look(events=seen, memory_mib=ground.memory_mib("biller")))
            await asyncio.sleep(LOOK_EVERY_S)
    await filling
    return looks


def figures(looks: list[Look]) -> Fields:
    """Return the memory after the warm-up.

    `spread` is the look that is farthest from the median; `drift` is the median of the last quarter
    of the looks against that of the first: what leaks makes it grow.
    """
    after = [look.memory_mib for look in looks if look.events >= WARM_UP * looks[-1].events]
    if len(after) < 2:
        raise Misconfigured("the run was too short to see the memory: give more --seconds")
    median = statistics.median(after)
    quarter = max(1, len(after) // 4)
    began, ended = statistics.median(after[:quarter]), statistics.median(after[-quarter:])
    return {
        "looks": len(after),
        "memory_first_mib": round(after[0], 1),
        "memory_last_mib": round(after[-1], 1),
        "memory_median_mib": round(median, 1),
        "memory_most_mib": round(max(after), 1),
        "drift_percent": round((ended - began) / median * 100, 1),
        "spread_percent": round(max(abs(each - median) for each in after) / median * 100, 1),
    }
