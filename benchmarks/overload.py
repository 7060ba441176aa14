"""Twice as many frames as the detector can do: what becomes of them, and of its memory.

Nothing may be lost, what is detected must be young, and what is too old must be said to be so.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.ground import Site
from benchmarks.memory import Look
from benchmarks.memory import figures as memory_figures
from benchmarks.play import MAX_AGE_MS, Heard, Play, playing
from benchmarks.record import Fields, Measured
from benchmarks.schedule import schedule
from benchmarks.sight import rounded
from cli.demo.tally import percentile
from wire.usage import Status

OVERLOAD = 2.0
STREAMS = tuple(f"camera-{number}" for number in range(8))
SECONDS_FACTOR = 6.0
"""Two minutes by default."""
LOOK_EVERY_S = 0.5


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    seconds = site.seconds * SECONDS_FACTOR
    async with playing(site, "overload", STREAMS) as play:
        capacity = await play.capacity(times=OVERLOAD)
        rate = OVERLOAD * capacity
        site.say(f"{rate:.0f} frames/s for {seconds:.0f} s, twice what it can do")
        async with _watching_memory(play) as looks:
            heard = await play.offer(list(schedule(STREAMS, rate=rate, seconds=seconds)))
    yield Measured(
        benchmark="overload",
        parameters=play.described()
        | {
            "overload": OVERLOAD,
            "capacity_per_second": round(capacity, 1),
            "rate_per_second": round(rate, 1),
            "seconds": seconds,
            "streams": len(STREAMS),
            "max_age_ms": MAX_AGE_MS,
        },
        figures=figures(heard, seconds=seconds)
        | {name: value for name, value in memory_figures(looks).items() if name != "looks"}
        | {"exact": heard.is_exact},
    )


@asynccontextmanager
async def _watching_memory(play: Play) -> AsyncIterator[list[Look]]:
    """Look at the detector's memory all the while."""
    looks: list[Look] = []

    async def look() -> None:
        while True:
            memory_mib = play.ground.memory_mib("detector")
            looks.append(Look(events=play.sight.seen.frames, memory_mib=memory_mib))
            await asyncio.sleep(LOOK_EVERY_S)

    task = asyncio.create_task(look())
    try:
        yield looks
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def figures(heard: Heard, *, seconds: float) -> Fields:
    """Return the ages of what was detected and of what expired, and where every frame went."""
    seen, offered = heard.seen, heard.offered

    def expired_ms(share: float) -> float | None:
        return rounded(percentile(deque(seen.expired_ages_ms), share))

    p99_ms = seen.latency_ms(0.99)
    return {
        "p50_ms": seen.latency_ms(0.50),
        "p99_ms": p99_ms,
        "p99_minus_max_age_ms": None if p99_ms is None else round(p99_ms - MAX_AGE_MS, 1),
        "expired_p50_ms": expired_ms(0.50),
        "expired_p99_ms": expired_ms(0.99),
        "published": offered.frames,
        "frames": {status.value: seen.statuses[status] for status in Status},
        "copies": seen.copies,
        "detected_per_second": round(seen.statuses[Status.DETECTED] / seconds, 1),
        "generator_lag_p99_ms": offered.lag_ms(0.99),
    }
