"""One camera that floods beside seven that do not: how many of their frames do the seven keep?

The seven ask for less than their fair share of the detector's capacity; the flood asks for twenty
times as much as one of them, and all together for well more than there is.
"""

from collections.abc import AsyncIterator

from aiokafka.partitioner import murmur2

from benchmarks.ground import Site
from benchmarks.play import MAX_AGE_MS, Heard, playing
from benchmarks.record import Fields, Measured
from benchmarks.schedule import cameras
from wire.usage import Status

MODEST = tuple(f"camera-{number}" for number in range(7))
FLOOD = "flood-11"
"""By its name it lies in the same partition as some of the seven, where it can hold them up."""
FLOOD_TIMES = 20
"""100 frames a second against 5."""
OF_FAIR_SHARE = 0.8
"""What a modest camera asks for, of an eighth of the capacity."""
TIMES = OF_FAIR_SHARE * (len(MODEST) + FLOOD_TIMES) / (len(MODEST) + 1)
"""What all ask for together, of the capacity."""
POSITIVE = 0x7FFFFFFF
"""What Kafka's partitioner keeps of a key's hash."""


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    async with playing(site, "fairness", (*MODEST, FLOOD)) as play:
        capacity = await play.capacity(times=TIMES)
        rates = rates_for(capacity)
        total = sum(rates.values())
        site.say(f"{total:.0f} frames/s, {rates[FLOOD]:.0f} of one camera, {site.seconds:.0f} s")
        heard = await play.offer(list(cameras(rates, seconds=site.seconds)))
        taken = {stream: play.sight.seen.of_stream[stream].total() for stream in rates}
    yield Measured(
        benchmark="fairness",
        parameters=play.described()
        | {
            "capacity_per_second": round(capacity, 1),
            "modest_per_second": round(rates[MODEST[0]], 2),
            "share_its_partition": len(neighbours(play.ground.target.topics.partitions)),
            "flood_per_second": round(rates[FLOOD], 1),
            "seconds": site.seconds,
            "max_age_ms": MAX_AGE_MS,
        },
        figures=figures(heard, taken) | {"exact": heard.is_exact},
    )


def neighbours(partitions: int) -> tuple[str, ...]:
    """Return the modest cameras that lie in the flood's partition."""
    places = {
        stream: (murmur2(stream.encode()) & POSITIVE) % partitions for stream in (*MODEST, FLOOD)
    }
    return tuple(stream for stream in MODEST if places[stream] == places[FLOOD])


def rates_for(capacity: float) -> dict[str, float]:
    """Return each camera's frames a second."""
    modest = OF_FAIR_SHARE * capacity / (len(MODEST) + 1)
    return {**dict.fromkeys(MODEST, modest), FLOOD: FLOOD_TIMES * modest}


def figures(heard: Heard, published: dict[str, int]) -> Fields:
    """Return which share of their frames the cameras kept."""
    seen = heard.seen

    def kept(*streams: str) -> float:
        frames = sum(published[stream] for stream in streams)
        return round(seen.detected_of(streams) / max(1, frames), 4)

    return {
        "modest_kept": kept(*MODEST),
        "modest_kept_worst": min(kept(stream) for stream in MODEST),
        "flood_kept": kept(FLOOD),
        "modest_p99_ms": seen.latency_ms(0.99, MODEST),
        "flood_p99_ms": seen.latency_ms(0.99, (FLOOD,)),
        "frames": {status.value: seen.statuses[status] for status in Status},
        "generator_lag_p99_ms": heard.offered.lag_ms(0.99),
    }
