"""The detector process against the bare engine: what the road around the engine costs.

A topic filled beforehand is read by one real detector, default settings; the same pictures go
through the bare engine. The two take turns in one run, and medians are compared.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.bare import Bare, measure_bare
from benchmarks.generator import generating
from benchmarks.ground import Ground, Site, fresh_ground
from benchmarks.pictures import Reel, packed_pictures
from benchmarks.progress import follow, growth_per_second
from benchmarks.record import Fields, Measured
from benchmarks.sight import Sight, watching
from cli.demo.result import detector_figures
from wire.frames import MAX_AGE_MS_MAX
from wire.usage import Status

ROUNDS = 2
STREAMS = tuple(f"camera-{number}" for number in range(16))
FRAMES_MIN = 200
FRAMES_MAX = 50_000
TRIAL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One turn of each."""

    bare: Bare
    images_per_second: float
    exact: bool
    inside: Fields


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement, of all rounds."""
    packed = packed_pictures()
    site.say("a first look at the bare engine, to know how many frames to fill in")
    trial = await measure_bare(packed, seconds=TRIAL_S)
    frames = frames_for(trial.images_per_second, seconds=site.seconds)
    rounds = [await _round(site, packed, frames, number) for number in range(ROUNDS)]
    yield Measured(
        benchmark="detector",
        parameters={
            "frames": frames,
            "streams": len(STREAMS),
            "rounds": ROUNDS,
            "bare_seconds": site.seconds,
            "batch_size": trial.batch_size,
        },
        figures=compare(rounds),
    )


def frames_for(images_per_second: float, *, seconds: float) -> int:
    """Return how many frames keep an engine of that speed busy for so long, within limits."""
    return max(FRAMES_MIN, min(FRAMES_MAX, round(images_per_second * seconds)))


async def _round(site: Site, packed: Sequence[bytes], frames: int, number: int) -> Round:
    async with fresh_ground(site, f"detector{number}") as ground, watching(ground) as sight:
        reel = Reel(packed, account="bench", epochs=dict.fromkeys(STREAMS, 1))
        async with generating(ground, reel) as generator:
            await generator.fill(STREAMS, frames, max_age_ms=MAX_AGE_MS_MAX)
        site.say(f"round {number + 1}: the bare engine, {site.seconds:.0f} s")
        bare = await measure_bare(packed, seconds=site.seconds)
        site.say(f"round {number + 1}: the detector, {frames} frames")
        speed = await _detect(ground, sight, frames, site.patience_s)
        inside = detector_figures(await ground.metrics("detector"))
    seen = sight.seen
    return Round(
        bare=bare,
        images_per_second=speed,
        exact=seen.statuses[Status.DETECTED] == frames and not seen.copies,
        inside=inside,
    )


async def _detect(ground: Ground, sight: Sight, frames: int, timeout_s: float) -> float:
    """Start a detector on what lies there; return committed detections a second."""

    async def committed() -> int:
        return sight.seen.frames

    ground.start("detector")
    steps = await follow(committed, total=frames, check=ground.check, timeout_s=timeout_s)
    return growth_per_second(steps)


def compare(rounds: Sequence[Round]) -> Fields:
    """Return the medians of the rounds, and their ratio."""
    bare = median(turn.bare.images_per_second for turn in rounds)
    detector = median(turn.images_per_second for turn in rounds)
    return {
        "detector_images_per_second": round(detector, 1),
        "bare_images_per_second": round(bare, 1),
        "detector_to_bare": round(detector / bare, 3),
        "decoded_images_per_second": round(
            median(turn.bare.decoded_per_second for turn in rounds), 1
        ),
        "engine": rounds[-1].inside["engine"],
        "batch_mean": rounds[-1].inside["batch_mean"],
        "rounds": [
            {
                "bare": round(turn.bare.images_per_second, 1),
                "detector": round(turn.images_per_second, 1),
            }
            for turn in rounds
        ],
        "exact": all(turn.exact for turn in rounds),
    }
