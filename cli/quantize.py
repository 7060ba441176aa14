"""`framemeter models quantize`: an int8 version of a model, only if it is as good as the float one.

Nothing is written unless AP50 drops by less than 0.01; both figures are told in any case.
"""

import json
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from msgspec import structs

from cli import terminal
from cli.calibration import subjects
from cli.calibration.costs import ROUNDS, Sample, batch_for, relative
from cli.calibration.known import known
from cli.calibration.probe import Order, Slice, probing
from cli.calibration.subjects import Subject
from cli.quantization.judging import (
    CONFIDENCE_MIN,
    DROP_MAX,
    Findings,
    Verdict,
    findings,
    judge,
    reported,
)
from cli.quantization.pictures import frames_of, scenes
from cli.streamfile import parse_size
from consumers.detector.decode import Pictures
from consumers.detector.engines import quantize as nncf
from consumers.detector.engines.choose import EngineLoader
from consumers.detector.engines.convert import convert
from consumers.detector.settings import DetectorSettings
from samples.catalog import CLASSES
from wire.errors import Rejected
from wire.frames import is_inference_size
from wire.models import ModelSpec

COUNT_MAX = 2_000
SLICE_S = 0.5
HELD_OUT_EVERY = 4
"""Of the frames of a model with other classes every fourth is kept to judge by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Frames a second of both models, measured by turns, and the ratio with the doubt about it."""

    before: float
    after: float
    ratio: float
    doubt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    """The float model, pictures to calibrate on, and pictures to judge by with their truth."""

    model: Subject
    calibrating: Pictures
    judging: Pictures
    truth: Findings
    before: Findings


def quantize(
    model: Annotated[str, typer.Argument(help="A registered model, a .pt or an .xml file.")],
    frames: Annotated[Path, typer.Option(help="A video of the stream, or a folder of pictures.")],
    out: Annotated[Path, typer.Option(help="A new folder for model.xml.")],
    count: Annotated[
        int, typer.Option(min=4, max=COUNT_MAX, help="How many frames are looked at.")
    ] = 300,
    size: Annotated[str, typer.Option(help="Inference size; the model's own if not told.")] = "",
) -> None:
    """Make an int8 version of a model, judged on pictures before it is written."""
    if out.exists():
        raise Rejected(f"{out} is there already: name a new folder")
    settings = DetectorSettings()
    loader = EngineLoader(
        kind="openvino",
        threads=settings.engine_threads,
        models_folder=settings.models_folder,
        cache_folder=settings.models_cache,
    )
    loader.check()
    subject = _float_model(model, loader)
    height, width = _size(subject, size)
    pictures = frames_of(frames, count=count, height=height, width=width)
    with tempfile.TemporaryDirectory(prefix="framemeter-int8-") as scratch:
        material = _material(subject, loader, pictures)
        made, recipe, verdict = _make(material, loader, Path(scratch))
        speeds = _race(subject, _of(subject, made), loader, (height, width))
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made.parent, out)
    _tell(verdict, speeds, recipe)
    terminal.output().print(
        f"wrote {out / made.name}: `framemeter models add NAME {out / made.name}` registers it"
    )


def _float_model(model: str, loader: EngineLoader) -> Subject:
    """Return the model as OpenVINO IR."""
    # The size class does not matter here; a file's name need not tell it.
    found = subjects.find([model], known().models, folder=loader.models_folder, size_class="s")
    subject = next(iter(found.values()))
    if subject.random_weights:
        raise Rejected(f"{model} has no weights here: name a registered model, a .pt or an .xml")
    if subject.source.endswith(".xml"):
        return subject
    return replace(subject, source=str(convert(subject.source, loader.cache_folder)))


def _size(subject: Subject, asked: str) -> tuple[int, int]:
    beside = Path(subject.source).with_name(nncf.METADATA)
    facts = json.loads(beside.read_text("utf-8")) if beside.is_file() else {}
    own = (int(facts.get("height", 640)), int(facts.get("width", 640)))
    height, width = parse_size(asked) if asked else own
    if not is_inference_size(height, width):
        raise Rejected(f"size {height}x{width} is not possible")
    return height, width


def _material(subject: Subject, loader: EngineLoader, pictures: Pictures) -> _Material:
    engine = loader.load(_ranked(subject))
    if engine.task != "detect":
        raise Rejected(f"{subject.name} is for {engine.task}; only detection can be judged so far")
    if tuple(engine.classes) == CLASSES:
        terminal.messages().print("judged by drawn scenes of the same classes", highlight=False)
        scene = scenes(
            loader.cache_folder / "scenes", height=pictures.shape[1], width=pictures.shape[2]
        )
        found = findings(engine, scene.pictures)
        return _Material(
            model=subject,
            calibrating=pictures,
            judging=scene.pictures,
            truth=scene.truth,
            before=found,
        )
    terminal.messages().print("judged by the float model's own detections", highlight=False)
    held_out = np.arange(len(pictures)) % HELD_OUT_EVERY == 0
    found = findings(engine, pictures[held_out])
    return _Material(
        model=subject,
        calibrating=pictures[~held_out],
        judging=pictures[held_out],
        truth=reported(found, subject.spec.confidence),
        before=found,
    )


def _make(material: _Material, loader: EngineLoader, scratch: Path) -> tuple[Path, str, Verdict]:
    """Return the first int8 model that is good enough; raise `Rejected` with all figures."""
    stored = scratch / "pictures.npy"
    np.save(stored, material.calibrating)
    told = []
    for recipe in nncf.RECIPES:
        terminal.messages().print(
            f"quantising ({recipe}) on {len(material.calibrating)} frames", highlight=False
        )
        made = nncf.quantize(Path(material.model.source), stored, scratch / recipe, recipe)
        after = findings(loader.load(_ranked(_of(material.model, made))), material.judging)
        verdict = judge(material.before, after, material.truth)
        if verdict.is_accepted:
            return made, recipe, verdict
        told.append(f"{recipe}: AP50 {verdict.before:.4f} → {verdict.after:.4f}")
    raise Rejected(
        f"int8 loses {DROP_MAX} or more, nothing is written ({'; '.join(told)}): give more frames,"
        " of all hours of the day"
    )


def _of(subject: Subject, made: Path) -> Subject:
    return replace(subject, name=f"{subject.name}-int8", source=str(made.resolve()))


def _ranked(subject: Subject) -> ModelSpec:
    return structs.replace(subject.spec, confidence=CONFIDENCE_MIN)


def _race(before: Subject, after: Subject, loader: EngineLoader, size: tuple[int, int]) -> Speeds:
    """Measure both by turns, each in a process of its own."""
    settings = DetectorSettings()
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(
                probing(
                    each.name,
                    Order(spec=each.spec, loader=loader, decode_threads=settings.decode_threads),
                )
            )
            for each in (before, after)
        )
        asked = Slice(height=size[0], width=size[1], batch=1, seconds=0.0)
        seconds = max(probe.work(asked) for _ in range(2) for probe in (one, other))
        batch = batch_for(seconds, slice_s=SLICE_S, batch_max=settings.batch_size_max)
        asked = replace(asked, batch=batch, seconds=SLICE_S)
        samples = [
            Sample(seconds=one.work(asked), reference=other.work(asked)) for _ in range(ROUNDS)
        ]
    ratio, doubt = relative(samples)
    middle = sorted(samples, key=lambda each: each.seconds)[ROUNDS // 2]
    return Speeds(before=1 / middle.seconds, after=ratio / middle.seconds, ratio=ratio, doubt=doubt)


def _tell(verdict: Verdict, speeds: Speeds, recipe: str) -> None:
    columns = ("model", "AP50", "images/s", "ratio")
    view = terminal.table("Float and int8", columns, numbers=columns[1:])
    view.add_row("float", f"{verdict.before:.4f}", f"{speeds.before:.1f}", "1")
    view.add_row(
        f"int8 ({recipe})",
        f"{verdict.after:.4f}",
        f"{speeds.after:.1f}",
        f"{speeds.ratio:.2f} ± {100 * speeds.doubt:.0f} %",
    )
    terminal.output().print(view)
