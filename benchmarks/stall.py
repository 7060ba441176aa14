"""Eight cameras, one of which stands still for half a second every two: do the others notice?"""

from collections.abc import AsyncIterator

from benchmarks.ground import Site
from benchmarks.play import MAX_AGE_MS, Heard, playing
from benchmarks.record import Fields, Measured
from benchmarks.schedule import schedule, stalled

STREAMS = tuple(f"camera-{number}" for number in range(8))
STALLING, OTHERS = STREAMS[0], STREAMS[1:]
EVERY_S = 2.0
FOR_S = 0.5
LOAD = 0.8
"""What the cameras ask for together, of the capacity."""


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    async with playing(site, "stall", STREAMS) as play:
        capacity = await play.capacity(times=1.0)
        rate = LOAD * capacity
        even = list(schedule(STREAMS, rate=rate, seconds=site.seconds))
        site.say(f"{rate:.0f} frames/s of eight cameras, {site.seconds:.0f} s")
        steady = await play.offer(even)
        site.say(f"the same, one camera stalling {FOR_S:.1f} s of every {EVERY_S:.0f} s")
        torn = await play.offer(stalled(even, STALLING, every_s=EVERY_S, for_s=FOR_S))
    yield Measured(
        benchmark="stall",
        parameters=play.described()
        | {
            "capacity_per_second": round(capacity, 1),
            "rate_per_second": round(rate, 1),
            "stall_ms": FOR_S * 1_000,
            "every_s": EVERY_S,
            "seconds": site.seconds,
            "max_age_ms": MAX_AGE_MS,
        },
        figures=compare(steady, torn, seconds=site.seconds)
        | {"exact": steady.is_exact and torn.is_exact},
    )


def compare(steady: Heard, torn: Heard, *, seconds: float) -> Fields:
    """Return the others' detections a second and latencies, without and with the stalls."""
    before, after = (each.seen.detected_of(OTHERS) for each in (steady, torn))
    return {
        "others_steady_per_second": round(before / seconds, 2),
        "others_stalled_per_second": round(after / seconds, 2),
        "others_change_percent": round((after - before) / max(1, before) * 100, 2),
        "others_steady_p99_ms": steady.seen.latency_ms(0.99, OTHERS),
        "others_stalled_p99_ms": torn.seen.latency_ms(0.99, OTHERS),
        "generator_lag_p99_ms": torn.offered.lag_ms(0.99),
    }
