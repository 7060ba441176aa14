"""The quiet after the faults: everything heals, sources end, what was begun comes to its end.

Bounded: what has not settled by then is a failure of the run, and says what it waited for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.torture import records
from tests.torture.positions import counts, partitions_not_read_since
from tests.torture.world import World

LIMIT_S = 120.0
POLL_S = 0.5


class NotDrained(Exception):
    """The world did not come to rest; the message says what was left."""


async def drain(world: World) -> float:
    """Bring the world to rest; return the seconds it took.

    1. No more frames: producers and gateways end. 2. Detectors take what is there. 3. Sessions
    settle or expire. 4. Billers have read all usage, and their news are told. 5. All end.
    """
    started = time.monotonic()
    deadline = started + LIMIT_S
    world.site.heal()
    await world.stop_role("producer")
    await world.stop_role("gateway")

    async def frames_left() -> int:
        return await world.site.do(lambda: records.lag(world.direct.kafka, world.topics))

    async def sessions_left() -> int:
        return (await counts(world.direct.postgres))["sessions"]

    await _until_none("frames are not detected", frames_left, deadline)
    await _until_none("sessions have not ended", sessions_left, deadline)
    moment = world.target.clock.now()

    async def partitions_left() -> int:
        return await partitions_not_read_since(
            world.direct.postgres, moment, world.topics.partitions
        )

    async def news_left() -> int:
        return (await counts(world.direct.postgres))["news"]

    await _until_none("partitions of usage are not read", partitions_left, deadline)
    await _until_none("balances are not told", news_left, deadline)
    await world.stop_all()
    return time.monotonic() - started


async def _until_none(what: str, left: Callable[[], Awaitable[int]], deadline: float) -> None:
    while number := await left():
        if time.monotonic() > deadline:
            raise NotDrained(f"after {LIMIT_S:.0f} s still {number} {what}")
        await asyncio.sleep(POLL_S)
