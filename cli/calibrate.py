"""`framemeter calibrate`: what frames cost this machine, beside what the tariff says they cost.

Measures, fits and prints; writes a tariff only where every price is within 5 % of a cost that is
known well enough.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from billing.tariff import Tariff
from billing.tariff_document import encode
from cli import terminal
from cli.calibration import subjects, tables
from cli.calibration.costs import REFERENCE_MODEL, Cost
from cli.calibration.known import known
from cli.calibration.probe import Order, probing
from cli.calibration.proposal import PROMISED, error, propose
from cli.calibration.rounds import Schedule, measure, turns_of
from cli.calibration.subjects import ARCHITECTURES, Subject
from cli.streamfile import parse_size
from consumers.detector.engines.choose import EngineLoader
from consumers.detector.settings import DetectorSettings
from wire.errors import Rejected
from wire.frames import SIDE_STEP, is_inference_size

SIZES = "320,384x640,640,736x1280"


def calibrate(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Registered models, .pt or .xml files, or names such as yolov8n."),
    ] = None,
    sizes: Annotated[str, typer.Option(help="Inference sizes, with commas.")] = SIZES,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long each model works at each size.")
    ] = 3.0,
    out: Annotated[
        Path | None, typer.Option(help="Write the proposal here, for `framemeter tariff add`.")
    ] = None,
    engine: Annotated[str, typer.Option(help="As FRAMEMETER_ENGINE; auto picks one.")] = "",
    size_class: Annotated[str, typer.Option(help="n s m l x, where a name does not tell.")] = "",
) -> None:
    """Measure what frames cost on this machine, and propose a tariff that follows."""
    ledger = known()
    settings = DetectorSettings()
    loader = EngineLoader(
        kind=engine or settings.engine,
        threads=settings.engine_threads,
        models_folder=settings.models_folder,
        cache_folder=settings.models_cache,
    )
    loader.check()
    asked = subjects.find(
        models or ARCHITECTURES,
        ledger.models,
        folder=settings.models_folder,
        size_class=size_class,
    )
    schedule = Schedule(
        sizes=parse_sizes(sizes), seconds=seconds, batch_max=settings.batch_size_max
    )
    engines, found = _measure(asked, loader, schedule, settings.decode_threads)
    proposed = dated(ledger.tariff, found, datetime.now(UTC))
    terminal.output().print(
        tables.of_costs(found, base=ledger.tariff, proposed=proposed, engine=engines)
    )
    if ledger.note:
        terminal.messages().print(ledger.note, highlight=False)
    faults = faults_of(found, proposed, ledger.tariff)
    if out is None or faults:
        _conclude(faults, asked_to_write=out is not None)
        return
    out.write_text(encode(proposed) + "\n", encoding="utf-8")
    terminal.output().print(f"wrote {out}: look at it, then `framemeter tariff add {out}`")


def parse_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Return the sizes of a list such as 320,384x640; raise `Rejected` for an impossible one."""
    found = tuple(dict.fromkeys(parse_size(each.strip()) for each in text.split(",")))
    for height, width in found:
        if not is_inference_size(height, width):
            raise Rejected(
                f"size {height}x{width} is not possible: sides are multiples of {SIDE_STEP}"
            )
    return found


def faults_of(found: Sequence[Cost], proposed: Tariff, base: Tariff) -> list[str]:
    """Return why the proposal cannot be trusted: noise, or prices that are too far off."""
    noisy = [f"{c.model} {c.height}x{c.width} ± {100 * c.doubt:.0f} %" for c in found if c.is_noisy]
    far = [
        f"{cost.model} {cost.height}x{cost.width} {float(100 * off):+.0f} %"
        for cost in found
        if abs(off := error(proposed, cost, base=base)) > PROMISED
    ]
    faults = []
    if noisy:
        faults.append(
            f"too noisy to set prices by ({', '.join(noisy)}): let the machine be idle, or measure"
            " longer with --seconds"
        )
    if far:
        faults.append(
            f"no price of a size class fits ({', '.join(far)}): models of one class, or sizes of"
            " the same pixels, differ too much; give them other classes"
        )
    return faults


def _conclude(faults: Sequence[str], *, asked_to_write: bool) -> None:
    if faults and asked_to_write:
        raise Rejected(f"no tariff is written: {'; '.join(faults)}")
    for fault in faults:
        terminal.messages().print(f"[yellow]{fault}[/yellow]", highlight=False)
    if not faults:
        terminal.messages().print("--out FILE writes the proposal", highlight=False)


def dated(base: Tariff, found: Sequence[Cost], now: datetime) -> Tariff:
    """Return the proposal that follows from the costs; it starts at the next midnight UTC."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return propose(
        base, found, version=f"measured-{now:%Y%m%d-%H%M}", starts_at=midnight + timedelta(days=1)
    )


def _measure(
    asked: Mapping[str, Subject], loader: EngineLoader, schedule: Schedule, decode_threads: int
) -> tuple[str, list[Cost]]:
    """Return the engines that ran, by name, and the costs."""
    reference = subjects.find([REFERENCE_MODEL], {}, folder=loader.models_folder, size_class="")
    with ExitStack() as stack, _progress() as progress:
        task = progress.add_task("loading", total=turns_of(len(asked), len(schedule.sizes)))
        probes = {}
        for name, subject in {**reference, **asked}.items():
            progress.update(task, description=f"loading {name}")
            ready = subjects.with_weights(subject, loader.cache_folder)
            order = Order(spec=ready.spec, loader=loader, decode_threads=decode_threads)
            probes[name] = stack.enter_context(probing(name, order))
        found = measure(
            asked,
            probes,
            schedule,
            lambda turn: progress.update(task, advance=1, description=turn),
        )
        engines = sorted({probe.ready.engine for probe in probes.values()})
    return ", ".join(engines), found


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=terminal.messages(),
        transient=True,
    )
