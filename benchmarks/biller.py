"""The biller in events a second, beside the usual designs: an UPDATE an event, a dedup table.

Usage of real sessions, one event a frame and the streams mixed, lies on its topic; one real biller
process charges it. The ledger is proven afterwards: figures of wrong books would be worthless.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from benchmarks.books import PRICE, Books, OpenedSession
from benchmarks.ground import Ground, Site, fresh_ground
from benchmarks.per_event import (
    CONNECTIONS,
    dedup_bytes_per_event,
    dedups_per_second,
    updates_per_second,
)
from benchmarks.progress import Step, follow, growth_per_second
from benchmarks.record import Fields, Measured
from benchmarks.usage_events import fill_usage
from cli.deployment import database

ACCOUNTS = tuple(f"account-{number}" for number in range(20))
SESSIONS = 200
EVENTS_PER_SECOND_OF_RUN = 15_000
"""How many events are prepared for each second of `--seconds`."""
USUAL_S = 3.0
POSITION = "select coalesce(sum(next_offset), 0)::int8 from consumer_position where topic = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What the usual designs do here, in events a second; and what a dedup row takes on disk."""

    updates: float
    dedups: float
    dedup_bytes: float


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    frames = frames_per_session(site.seconds)
    async with fresh_ground(site, "biller") as ground, database(ground.target) as pool:
        books = Books(pool, ground.target)
        site.say(f"{SESSIONS} sessions of {len(ACCOUNTS)} accounts, {frames} frames each")
        sessions = await open_sessions(books, frames)
        site.say(f"{SESSIONS * frames} events onto `usage`")
        await asyncio.to_thread(fill_usage, ground.target, sessions, frames)
        site.say(f"the usual designs, {USUAL_S:.0f} s each")
        usual = Usual(
            updates=await updates_per_second(
                ground.target.postgres, accounts=ACCOUNTS, price=PRICE, seconds=USUAL_S
            ),
            dedups=await dedups_per_second(
                ground.target.postgres, accounts=ACCOUNTS, price=PRICE, seconds=USUAL_S
            ),
            dedup_bytes=await dedup_bytes_per_event(ground.target.postgres),
        )
        site.say("the biller")
        steps = await _bill(ground, pool, SESSIONS * frames, site.patience_s)
        batches = (await ground.metrics("biller")).total("framemeter_biller_batches_total")
        site.say("closing the sessions, and the audit")
        exact = await _prove(books, sessions, frames)
    yield Measured(
        benchmark="biller",
        parameters={
            "events": SESSIONS * frames,
            "sessions": SESSIONS,
            "accounts": len(ACCOUNTS),
            "partitions": ground.target.topics.partitions,
            "usual_connections": CONNECTIONS,
            "usual_seconds": USUAL_S,
        },
        figures=figures(steps, usual=usual, batches=int(batches)) | {"exact": exact},
    )


def frames_per_session(seconds: float) -> int:
    """Return how many frames, and so events, each session has in a run of this length."""
    return max(1, round(seconds * EVENTS_PER_SECOND_OF_RUN / SESSIONS))


async def open_sessions(books: Books, frames: int) -> list[OpenedSession]:
    """Open real sessions of `frames` paid frames each, shared evenly by the accounts."""
    for account in ACCOUNTS:
        await books.open_account(account, frames=frames * SESSIONS // len(ACCOUNTS))
    return [
        await books.open_session(
            ACCOUNTS[number % len(ACCOUNTS)], f"stream-{number}", frames=frames
        )
        for number in range(SESSIONS)
    ]


async def _bill(
    ground: Ground, pool: "asyncpg.Pool[Any]", events: int, timeout_s: float
) -> list[Step]:
    """Start a biller on what lies there; return the steps of its position in the ledger."""

    async def position() -> int:
        return int(await pool.fetchval(POSITION, ground.target.topics.usage))

    ground.start("biller")
    return await follow(position, total=events, check=ground.check, timeout_s=timeout_s)


async def _prove(books: Books, sessions: list[OpenedSession], frames: int) -> bool:
    """Close every session; say whether the books are right."""
    for session in sessions:
        await books.close_session(session, published=frames)
    return await books.are_exact(ACCOUNTS, detected=len(sessions) * frames)


def figures(steps: list[Step], *, usual: Usual, batches: int) -> Fields:
    """Return the speeds and their ratios."""
    speed = growth_per_second(steps)
    return {
        "events_per_second": round(speed),
        "measured_events": steps[-1].count - steps[0].count,
        "measured_seconds": round(steps[-1].at_s - steps[0].at_s, 2),
        "batches": batches,
        "usual_updates_per_second": round(usual.updates),
        "biller_to_usual": round(speed / usual.updates, 1),
        "usual_dedups_per_second": round(usual.dedups),
        "biller_to_dedups": round(speed / usual.dedups, 2),
        "usual_dedup_bytes_per_event": round(usual.dedup_bytes),
    }
