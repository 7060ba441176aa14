"""How long it takes from a usage event to its charge in the ledger, at a steady pace.

Emitted is when the event is handed to its producer, deducted is when the ledger's position is seen
to have passed it: position and charge are one transaction. It is looked at every few milliseconds.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any

import asyncpg

from benchmarks.biller import ACCOUNTS, SESSIONS, open_sessions
from benchmarks.books import Books, OpenedSession
from benchmarks.ground import Ground, Site, fresh_ground
from benchmarks.record import Fields, Measured
from benchmarks.usage_events import event_of
from cli.demo.tally import percentile
from cli.deployment import database
from wire import usage
from wire.cloudevents import STRUCTURED_HEADERS
from wire.errors import Misconfigured

EVENTS_PER_SECOND = 2_000
TICK_S = 0.01
LOOK_EVERY_S = 0.004
WARM_UP_S = 2.0
CLAIMED = "select count(*) from consumer_position where topic = $1 and owner_epoch > 0"
POSITIONS = "select partition, next_offset from consumer_position where topic = $1"


@dataclass(slots=True, kw_only=True)
class Pending:
    """Events that Kafka has, by partition in offset order, until their charge is seen."""

    waiting: dict[int, deque[tuple[int, float]]] = field(default_factory=dict)
    delays_ms: deque[float] = field(default_factory=deque)
    left: int = 0

    def sent(self, partition: int, offset: int, emitted_at: float) -> None:
        """Remember one event."""
        self.waiting.setdefault(partition, deque()).append((offset, emitted_at))

    def charged(self, partition: int, next_offset: int, now: float) -> None:
        """Take out the events below the position."""
        events = self.waiting.get(partition, deque())
        while events and events[0][0] < next_offset:
            self.delays_ms.append((now - events.popleft()[1]) * 1_000)
            self.left -= 1


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    events = round((site.seconds + WARM_UP_S) * EVENTS_PER_SECOND / SESSIONS) * SESSIONS
    frames = events // SESSIONS
    async with fresh_ground(site, "delay") as ground, database(ground.target) as pool:
        books = Books(pool, ground.target)
        site.say(f"{SESSIONS} sessions of {len(ACCOUNTS)} accounts, {frames} frames each")
        sessions = await open_sessions(books, frames)
        ground.start("biller")
        await _claimed(ground, pool, site.patience_s)
        site.say(f"{EVENTS_PER_SECOND} events a second, {site.seconds:.0f} s")
        pending = await _run(ground, pool, sessions, frames, site)
        for session in sessions:
            await books.close_session(session, published=frames)
        exact = await books.are_exact(ACCOUNTS, detected=events)
    yield Measured(
        benchmark="delay",
        parameters={
            "events_per_second": EVENTS_PER_SECOND,
            "seconds": site.seconds,
            "sessions": SESSIONS,
            "accounts": len(ACCOUNTS),
            "partitions": ground.target.topics.partitions,
        },
        figures=figures(pending.delays_ms, warm_up=round(WARM_UP_S * EVENTS_PER_SECOND))
        | {"exact": exact},
    )


async def _claimed(ground: Ground, pool: "asyncpg.Pool[Any]", timeout_s: float) -> None:
    """Wait until the biller owns every partition."""
    topics = ground.target.topics
    deadline = time.monotonic() + timeout_s
    while await pool.fetchval(CLAIMED, topics.usage) < topics.partitions:
        ground.check()
        if time.monotonic() > deadline:
            raise Misconfigured("the biller did not take its partitions in time")
        await asyncio.sleep(0.05)


async def _run(
    ground: Ground,
    pool: "asyncpg.Pool[Any]",
    sessions: list[OpenedSession],
    frames: int,
    site: Site,
) -> Pending:
    pending = Pending(left=len(sessions) * frames)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_emit(ground, pending, sessions, frames))
        tasks.create_task(_watch(ground, pool, pending, site.patience_s))
    return pending


async def _emit(
    ground: Ground, pending: Pending, sessions: list[OpenedSession], frames: int
) -> None:
    """Send the events at a steady pace, whatever became of those before."""
    target = ground.target
    producer = target.kafka.producer(client_id="bench-delay")
    await producer.start()
    under_way: set[asyncio.Task[None]] = set()
    places = ((session, seq) for seq in range(frames) for session in sessions)

    async def send(session: OpenedSession, seq: int) -> None:
        emitted_at, now = time.monotonic(), datetime.now(UTC)
        sent = await producer.send_and_wait(
            target.topics.usage,
            usage.encode(event_of(session, seq, now), at=now),
            key=session.stream.encode(),
            headers=STRUCTURED_HEADERS,
        )
        pending.sent(sent.partition, sent.offset, emitted_at)

    try:
        started = time.monotonic()
        for tick in count():
            some = list(islice(places, round(EVENTS_PER_SECOND * TICK_S)))
            if not some:
                break
            await asyncio.sleep(max(0.0, started + tick * TICK_S - time.monotonic()))
            for session, seq in some:
                task = asyncio.create_task(send(session, seq))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
    finally:
        await producer.stop()


async def _watch(
    ground: Ground, pool: "asyncpg.Pool[Any]", pending: Pending, timeout_s: float
) -> None:
    """Look at the ledger's positions until every event is charged."""
    deadline = time.monotonic() + timeout_s
    async with pool.acquire() as connection:
        positions = await connection.prepare(POSITIONS)
        while pending.left:
            rows = await positions.fetch(ground.target.topics.usage)
            now = time.monotonic()
            for row in rows:
                pending.charged(row["partition"], row["next_offset"], now)
            ground.check()
            if now > deadline:
                raise Misconfigured(f"{pending.left} events were not charged in time")
            await asyncio.sleep(LOOK_EVERY_S)


def figures(delays_ms: deque[float], *, warm_up: int) -> Fields:
    """Return the percentiles of the delays after the first `warm_up` charged events."""
    found = deque(islice(delays_ms, warm_up, None))

    def at(share: float) -> float | None:
        value = percentile(found, share)
        return None if value is None else round(value, 1)

    return {"events": len(found), "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99)}
