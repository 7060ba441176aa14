"""The priority tier alone, and beside twice as many standard frames as the detector can do."""

from collections.abc import AsyncIterator

from benchmarks.ground import Site
from benchmarks.play import MAX_AGE_MS, Heard, playing
from benchmarks.record import Fields, Measured
from benchmarks.schedule import cameras
from wire.usage import Status

PRIORITY = ("first-0", "first-1")
STANDARD = tuple(f"camera-{number}" for number in range(8))
PRIORITY_LOAD = 0.2
"""What the priority cameras ask for, of the capacity."""
OVERLOAD = 2.0


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    async with playing(site, "priority", (*STANDARD, *PRIORITY), priority=PRIORITY) as play:
        capacity = await play.capacity(times=OVERLOAD + PRIORITY_LOAD, streams=STANDARD)
        first = dict.fromkeys(PRIORITY, PRIORITY_LOAD * capacity / len(PRIORITY))
        rest = dict.fromkeys(STANDARD, OVERLOAD * capacity / len(STANDARD))
        site.say(f"the priority tier alone, {site.seconds:.0f} s")
        idle = await play.offer(list(cameras(first, seconds=site.seconds)))
        site.say(f"the same beside {sum(rest.values()):.0f} standard frames/s")
        loaded = await play.offer(list(cameras(first | rest, seconds=site.seconds)))
    yield Measured(
        benchmark="priority",
        parameters=play.described()
        | {
            "capacity_per_second": round(capacity, 1),
            "priority_per_second": round(sum(first.values()), 1),
            "standard_per_second": round(sum(rest.values()), 1),
            "seconds": site.seconds,
            "max_age_ms": MAX_AGE_MS,
        },
        figures=compare(idle, loaded) | {"exact": idle.is_exact and loaded.is_exact},
    )


def compare(idle: Heard, loaded: Heard) -> Fields:
    """Return the priority tier's latencies of both, and what became of the others meanwhile."""
    idle_ms, loaded_ms = (each.seen.latency_ms(0.99, PRIORITY) for each in (idle, loaded))
    ended = sum(loaded.seen.of_stream[stream].total() for stream in PRIORITY)
    return {
        "idle_p50_ms": idle.seen.latency_ms(0.50, PRIORITY),
        "idle_p99_ms": idle_ms,
        "loaded_p50_ms": loaded.seen.latency_ms(0.50, PRIORITY),
        "loaded_p99_ms": loaded_ms,
        "loaded_to_idle": round(loaded_ms / idle_ms, 2) if loaded_ms and idle_ms else None,
        "priority_kept": round(loaded.seen.detected_of(PRIORITY) / max(1, ended), 4),
        "standard_detected": loaded.seen.detected_of(STANDARD),
        "frames": {status.value: loaded.seen.statuses[status] for status in Status},
        "generator_lag_p99_ms": loaded.offered.lag_ms(0.99),
    }
