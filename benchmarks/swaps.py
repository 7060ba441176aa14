"""A hundred changes of the model under load: is a frame lost, is there a pause, does memory grow?

Each version has the same weights under another name, so that nothing but the change itself is
seen. The next is announced once detections of the last are visible.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import msgspec

from benchmarks.ground import Site
from benchmarks.memory import Look
from benchmarks.memory import figures as memory_figures
from benchmarks.play import Heard, Play, playing
from benchmarks.record import Fields, Measured
from benchmarks.schedule import Due, schedule
from wire import models
from wire.compacted import put
from wire.errors import Misconfigured

SWAPS_PER_SECOND_OF_RUN = 5
"""A hundred by default."""
STREAMS = tuple(f"camera-{number}" for number in range(8))
LOAD = 0.4
SWAP_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.01
HORIZON_S = 3_600.0
MAX_AGE_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """What a series of swaps did."""

    heard: Heard
    looks: list[Look]
    seconds: float
    versions: int


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    swaps = max(3, round(site.seconds * SWAPS_PER_SECOND_OF_RUN))
    async with playing(site, "swaps", STREAMS) as play:
        rate = LOAD * await play.capacity(times=1.0)
        site.say(f"{rate:.0f} frames/s beside {swaps} swaps")
        swapped = await _swap(play, rate, swaps)
        # As long as the swaps took: the longest gap of a longer time is longer.
        site.say(f"the same without swaps, {swapped.seconds:.0f} s")
        steady = list(schedule(STREAMS, rate=rate, seconds=swapped.seconds))
        usual = await play.offer(steady, max_age_ms=MAX_AGE_MS)
    yield Measured(
        benchmark="swaps",
        parameters=play.described()
        | {
            "swaps": swaps,
            "rate_per_second": round(rate, 1),
            "streams": len(STREAMS),
            "max_age_ms": MAX_AGE_MS,
        },
        figures=compare(usual, swapped)
        | {"exact": usual.is_exact and swapped.heard.is_exact and swapped.versions >= swaps},
    )


async def _swap(play: Play, rate: float, swaps: int) -> Swapped:
    """Load the detector until all swaps are seen; return what was seen."""
    play.sight.blink()
    looks: list[Look] = []
    done = asyncio.Event()

    async def announce() -> None:
        try:
            for number in range(swaps):
                version = f"swap-{number}"
                await _activate(play, version)
                await _until_seen(play, version)
                memory_mib = play.ground.memory_mib("detector")
                looks.append(Look(events=number + 1, memory_mib=memory_mib))
        finally:
            done.set()

    started = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(announce())
        offered = await play.generator.play(_while_not(done, rate), max_age_ms=MAX_AGE_MS)
    seconds = time.monotonic() - started
    await play.all_ended(offered.frames, MAX_AGE_MS)
    seen = play.sight.seen
    return Swapped(
        heard=Heard(offered=offered, seen=seen),
        looks=looks,
        seconds=seconds,
        versions=sum(name.startswith("swap-") for name in seen.versions),
    )


def _while_not(done: asyncio.Event, rate: float) -> Iterator[Due]:
    """Yield what is due until `done`, within an hour."""
    for due in schedule(STREAMS, rate=rate, seconds=HORIZON_S):
        if done.is_set():
            return
        yield due


async def _activate(play: Play, version: str) -> None:
    target = play.ground.target
    spec = msgspec.structs.replace(play.subject.spec, version=version)
    value = models.encode(spec, at=target.clock.now())
    await put(target.kafka, target.topics.models, {spec.model: value})


async def _until_seen(play: Play, version: str) -> None:
    deadline = time.monotonic() + SWAP_TIMEOUT_S
    while not play.sight.seen.versions[version]:
        play.ground.check()
        if time.monotonic() > deadline:
            raise Misconfigured(f"version {version} did not take over in {SWAP_TIMEOUT_S:.0f} s")
        await asyncio.sleep(LOOK_EVERY_S)


def compare(usual: Heard, swapped: Swapped) -> Fields:
    """Return the longest gap with and without swaps, latencies of both, and the memory."""
    before_ms, during_ms = usual.seen.longest_gap_ms(), swapped.heard.seen.longest_gap_ms()
    memory = memory_figures(swapped.looks)
    return {
        "gap_usual_ms": before_ms,
        "gap_swapping_ms": during_ms,
        "pause_ms": round(max(0.0, during_ms - before_ms), 1),
        "p99_usual_ms": usual.seen.latency_ms(0.99),
        "p99_swapping_ms": swapped.heard.seen.latency_ms(0.99),
        "seconds_per_swap": round(swapped.seconds / max(1, len(swapped.looks)), 2),
        "frames": swapped.heard.offered.frames,
        **{name: value for name, value in memory.items() if name != "looks"},
    }
