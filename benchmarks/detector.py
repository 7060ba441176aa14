"""The detector process against the bare engine, and against Ultralytics' own `predict`.

A topic filled beforehand is read by one real detector, default settings; the same pictures go
through the bare engine and, as lists of decoded pictures, through `YOLO.predict`. They take turns
in one run, each in a process of its own, and medians are compared.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.bare import Bare, measure_bare
from benchmarks.generator import generating
from benchmarks.ground import Ground, Site, fresh_ground
from benchmarks.peak import peak_teraflops
from benchmarks.pictures import Reel
from benchmarks.play import ACCOUNT, TRIAL_S, frames_for
from benchmarks.progress import follow, growth_per_second
from benchmarks.record import Fields, Measured
from benchmarks.rival import Predicted, predict_lists
from benchmarks.sight import Sight, watching
from benchmarks.subject import Subject, subject
from cli.demo.result import detector_figures
from samples.catalog import PARK_MODEL
from wire.frames import MAX_AGE_MS_MAX
from wire.usage import Status

ROUNDS = 2
TURN_SHARE = 0.5
"""How long each turn lasts, as a share of `--seconds`: there are three in each round."""
MODELS = (PARK_MODEL.name, "yolov8n", "yolov8s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One turn of each."""

    bare: Bare
    predicted: Predicted
    images_per_second: float
    exact: bool
    objects: float
    inside: Fields


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement for each model, of all rounds."""
    peak = await peak_teraflops()
    for name in site.choice.models or MODELS:
        found = await subject(name, site.folder)
        site.say(f"{name}: a first look at the bare engine, to know how many frames to fill in")
        trial = await measure_bare(found, site.choice, site.folder, seconds=TRIAL_S)
        seconds = site.seconds * TURN_SHARE
        frames = frames_for(trial.images_per_second, seconds=seconds)
        rounds = [await _round(site, found, frames, number) for number in range(ROUNDS)]
        yield Measured(
            benchmark="detector",
            parameters=found.described()
            | {
                "engine_setting": site.choice.engine,
                "frames": frames,
                "streams": site.choice.streams,
                "rounds": ROUNDS,
                "bare_seconds": seconds,
                "batch_size": trial.batch_size,
            },
            figures=compare(rounds) | of_peak(found, rounds, peak),
        )


async def _round(site: Site, found: Subject, frames: int, number: int) -> Round:
    name = f"detector-{found.name}-{number}".replace("-", "_")
    streams, seconds = site.choice.names(), site.seconds * TURN_SHARE
    async with fresh_ground(site, name, found.spec) as ground, watching(ground) as sight:
        reel = Reel(
            found.packed,
            account=ACCOUNT,
            epochs=dict.fromkeys(streams, 1),
            camera=found.camera,
        )
        async with generating(ground, reel) as generator:
            await generator.fill(streams, frames, max_age_ms=MAX_AGE_MS_MAX)
        site.say(f"{found.name}, round {number + 1}: the bare engine, {seconds:.0f} s")
        bare = await measure_bare(found, site.choice, site.folder, seconds=seconds)
        site.say(f"{found.name}, round {number + 1}: the detector, {frames} frames")
        speed = await _detect(ground, sight, frames, site.patience_s)
        inside = detector_figures(await ground.metrics("detector"))
    site.say(f"{found.name}, round {number + 1}: Ultralytics' predict, {seconds:.0f} s")
    predicted = await predict_lists(found, site.folder, batch_size=bare.batch_size, seconds=seconds)
    seen = sight.seen
    return Round(
        bare=bare,
        predicted=predicted,
        images_per_second=speed,
        exact=seen.statuses[Status.DETECTED] == frames and not seen.copies,
        objects=round(seen.objects / max(1, seen.frames), 1),
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
    """Return the medians of the rounds, and their ratios."""
    bare = median(turn.bare.images_per_second for turn in rounds)
    predicted = median(turn.predicted.images_per_second for turn in rounds)
    detector = median(turn.images_per_second for turn in rounds)
    return {
        "detector_images_per_second": round(detector, 1),
        "bare_images_per_second": round(bare, 1),
        "predict_images_per_second": round(predicted, 1),
        "detector_to_bare": round(detector / bare, 3),
        "detector_to_predict": round(detector / predicted, 2),
        "decoded_images_per_second": round(
            median(turn.bare.decoded_per_second for turn in rounds), 1
        ),
        "engine": rounds[-1].inside["engine"],
        "predict_device": rounds[-1].predicted.device,
        "batch_mean": rounds[-1].inside["batch_mean"],
        "objects_per_image": rounds[-1].objects,
        "predict_objects_per_image": rounds[-1].predicted.objects,
        "rounds": [
            {
                "bare": round(turn.bare.images_per_second, 1),
                "bare_callers": turn.bare.callers,
                "detector": round(turn.images_per_second, 1),
                "predict": round(turn.predicted.images_per_second, 1),
            }
            for turn in rounds
        ],
        "exact": all(turn.exact for turn in rounds),
    }


def of_peak(found: Subject, rounds: Sequence[Round], peak: float | None) -> Fields:
    """Return which share of the GPU's measured bf16 limit the detector uses; nothing without."""
    if peak is None or found.gigaflops is None:
        return {}
    images = median(turn.images_per_second for turn in rounds)
    return {
        "peak_bf16_teraflops": round(peak, 1),
        "of_peak_percent": round(images * found.gigaflops / (peak * 1_000) * 100, 2),
    }
