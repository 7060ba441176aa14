"""The demo's model in int8 against its float self: speed of the bare engines, and AP50 of both.

Calibrated on pictures of the demo's own streams, the footage and its drawn scenes; judged on drawn
scenes that it has not seen. Recipes are tried in order until one loses less than is allowed.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import av
import msgspec
import numpy as np
import simplejpeg

from benchmarks.bare import Bare, load, measure_bare, settings_of
from benchmarks.ground import Site
from benchmarks.record import Fields, Measured
from benchmarks.subject import Subject, subject
from cli.demo.plan import SCENE_SEEDS
from cli.quantization.judging import found_of
from consumers.detector.decode import Pictures
from consumers.detector.engines.protocol import Engine
from consumers.detector.engines.quantize import RECIPES, quantize
from consumers.detector.settings import DetectorSettings
from pipeline.encode import Letterboxed, letterbox
from samples.catalog import PARK_MODEL
from samples.precision import Judged, ap50, mean
from samples.scenes import ensure_scene, read_truth
from samples.stage import Seen as Truth
from wire.errors import Misconfigured

ROUNDS = 2
TURN_SHARE = 0.5
LOSS_MAX = 0.01
"""What int8 may lose of AP50."""
TEST_SEEDS = (1, 2, 3)
SCENE_SECONDS = 30.0
TEST_EVERY = 5
CALIBRATION_EVERY = 10
FOOTAGE_EVERY = 2
CONFIDENCE = 0.01
"""AP50 is about ranks, so nearly all that a model finds is looked at."""
BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What is there, in pixels of the fitted picture."""

    class_id: int
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An int8 model that was made, and how good it is beside the float one."""

    subject: Subject
    recipe: str
    float_ap50: float
    int8_ap50: float

    @property
    def is_accepted(self) -> bool:
        """Say whether it loses little enough."""
        return self.float_ap50 - self.int8_ap50 < LOSS_MAX


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    found = await subject(PARK_MODEL.name, site.folder)
    site.say("drawing scenes")
    demo_scenes = await _scenes(site.folder, tuple(SCENE_SEEDS.values()))
    tests = await _scenes(site.folder, TEST_SEEDS)
    pictures = await asyncio.to_thread(_calibration, found, demo_scenes)
    made = await _made(site, found, pictures, tests)
    seconds = site.seconds * TURN_SHARE
    turns: list[tuple[Bare, Bare]] = []
    for number in range(ROUNDS):
        site.say(f"round {number + 1}: float and int8, {seconds:.0f} s each")
        plain = await measure_bare(found, site.choice, site.folder, seconds=seconds)
        small = await measure_bare(made.subject, site.choice, site.folder, seconds=seconds)
        turns.append((plain, small))
    yield Measured(
        benchmark="int8",
        parameters=found.described()
        | {"calibrated_on": len(pictures), "test_scenes": len(TEST_SEEDS), "rounds": ROUNDS},
        figures=compare(turns, made),
    )


async def _scenes(folder: Path, seeds: Sequence[int]) -> list[Path]:
    scenes = folder / "scenes"
    return [
        await asyncio.to_thread(ensure_scene, scenes, seed=seed, seconds=SCENE_SECONDS)
        for seed in seeds
    ]


def _calibration(found: Subject, scenes: Sequence[Path]) -> Pictures:
    """Return pictures of the footage and of drawn scenes, fitted as a stream's frames are."""
    footage = [
        simplejpeg.decode_jpeg(jpeg, colorspace="BGR") for jpeg in found.packed[::FOOTAGE_EVERY]
    ]
    drawn = [picture for scene in scenes for picture, _ in _shown(found, scene, CALIBRATION_EVERY)]
    return np.stack([*footage, *drawn])


async def _made(site: Site, found: Subject, pictures: Pictures, tests: Sequence[Path]) -> Made:
    """Return the first int8 model that loses little enough, or the last one that was made."""
    stored = site.folder / "calibration.npy"
    await asyncio.to_thread(np.save, stored, pictures)
    settings = settings_of(site.choice, site.folder)
    site.say("AP50 of the float model")
    before = await _judge(found, settings, tests)
    for recipe in RECIPES:
        site.say(f"int8, recipe {recipe}")
        folder = site.folder / f"int8-{recipe}"
        source = await asyncio.to_thread(quantize, PARK_MODEL.openvino, stored, folder, recipe)
        spec = msgspec.structs.replace(found.spec, source=str(source), version=f"int8-{recipe}")
        small = replace(found, spec=spec)
        after = await _judge(small, settings, tests)
        made = Made(subject=small, recipe=recipe, float_ap50=before, int8_ap50=after)
        if made.is_accepted:
            return made
    return made


async def _judge(found: Subject, settings: DetectorSettings, scenes: Sequence[Path]) -> float:
    """Return AP50 over the scenes, measured in a process that has the engine for itself."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, _ap50, found, settings, tuple(scenes))


def _ap50(found: Subject, settings: DetectorSettings, scenes: Sequence[Path]) -> float:
    spec = msgspec.structs.replace(found.spec, confidence=CONFIDENCE)
    engine = load(replace(found, spec=spec), settings)
    return mean(ap50(judged for scene in scenes for judged in _judged(engine, found, scene)))


def _judged(engine: Engine, found: Subject, scene: Path) -> Iterator[Judged]:
    shown = list(_shown(found, scene, TEST_EVERY))
    for first in range(0, len(shown), BATCH):
        some = shown[first : first + BATCH]
        answers = engine.infer(np.stack([picture for picture, _ in some]))
        for objects, (_, truth) in zip(answers, some, strict=True):
            yield Judged(found=found_of(objects), truth=truth)


def _shown(found: Subject, scene: Path, every: int) -> Iterator[tuple[Pictures, list[Placed]]]:
    """Yield every n-th picture of a scene, fitted, with its truth in the fitted picture."""
    with av.open(str(scene)) as container:
        frames = zip(container.decode(video=0), read_truth(scene), strict=True)
        for number, (frame, truth) in enumerate(frames):
            if number % every:
                continue
            picture = frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
            fitted = letterbox(picture, found.height, found.width)
            places = [fit(one, fitted) for one in truth]
            yield fitted.picture, places


def fit(one: Truth, fitted: Letterboxed) -> Placed:
    """Return an object of a picture where it is in the fitted picture."""
    return Placed(
        class_id=one.class_id,
        x1=one.x1 * fitted.scale + fitted.left,
        y1=one.y1 * fitted.scale + fitted.top,
        x2=one.x2 * fitted.scale + fitted.left,
        y2=one.y2 * fitted.scale + fitted.top,
    )


def compare(turns: Sequence[tuple[Bare, Bare]], made: Made) -> Fields:
    """Return the medians of both, their ratio, and what int8 loses."""
    if not turns:
        raise Misconfigured("no round was measured")
    plain = median(turn[0].images_per_second for turn in turns)
    small = median(turn[1].images_per_second for turn in turns)
    return {
        "float_images_per_second": round(plain, 1),
        "int8_images_per_second": round(small, 1),
        "int8_to_float": round(small / plain, 2),
        "float_ap50": round(made.float_ap50, 4),
        "int8_ap50": round(made.int8_ap50, 4),
        "ap50_loss": round(made.float_ap50 - made.int8_ap50, 4),
        "recipe": made.recipe,
        "accepted": made.is_accepted,
        "engine": f"{turns[-1][0].engine} / {turns[-1][1].engine}",
        "exact": turns[-1][0].engine != turns[-1][1].engine,
    }
