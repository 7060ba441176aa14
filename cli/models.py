"""`framemeter models`: the models that streams and requests may name, and their versions."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from billing.announcing import announce, announce_all
from billing.catalog import Catalog
from billing.database import migrate
from billing.registry import Registered
from billing.tariff import size_class_of
from cli import terminal
from cli.deployment import Deployment, database, deployment
from cli.model_check import (
    VERSION_LENGTH,
    engine_loader,
    examine,
    source_digest,
    weights_version,
    why_not_here,
)
from cli.model_tables import models_table, versions_table
from cli.quantize import quantize
from wire import model_failures, models
from wire.compacted import snapshot
from wire.errors import Rejected, Retryable
from wire.model_failures import ModelFailure
from wire.models import ModelSpec

__all__ = ["build", "register", "weights_version"]

T = TypeVar("T")

Model = Annotated[str, typer.Argument(help="The name that streams use, such as yolov8s.")]
Version = Annotated[str, typer.Argument(help="One of the model's versions.")]


def build() -> typer.Typer:
    """Return the command group."""
    group = typer.Typer(no_args_is_help=True, help="Models: add, activate, roll back, try, list.")
    group.command("add")(add)
    group.command("activate")(activate)
    group.command("rollback")(rollback)
    group.command("canary")(canary)
    group.command("list")(show)
    group.command("remove")(remove)
    group.command("publish")(publish)
    group.command("quantize")(quantize)
    return group


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What `models add` was told; "" where it was not."""

    spec: ModelSpec
    note: str
    is_tested: bool
    is_activated: bool


async def register(target: Deployment, specs: tuple[ModelSpec, ...]) -> None:
    """Give the models a price in the ledger, then tell the detectors about them."""
    if not specs:
        return
    await migrate(target.postgres)

    async def work(catalog: Catalog) -> None:
        for spec in specs:
            sha256 = spec.sha256 or source_digest(spec.source)
            await catalog.register(msgspec.structs.replace(spec, sha256=sha256))

    await _with_catalog(target, work)


def add(  # noqa: PLR0913  (each one is an option of the command)
    model: Annotated[str, typer.Argument(help="The name that streams use, such as yolov8s.")],
    source: Annotated[
        str, typer.Argument(help="A .pt, .onnx or .xml file, an https URL, or an Ultralytics name.")
    ],
    version: Annotated[str, typer.Option(help="Its name; else the start of its SHA-256.")] = "",
    sha256: Annotated[str, typer.Option(help="Of the weights; a URL needs it.")] = "",
    size_class: Annotated[str, typer.Option(help="n, s, m, l or x: decides the price.")] = "",
    task: Annotated[
        str, typer.Option(help="detect, segment, pose, classify or obb; else the weights' own.")
    ] = "",
    confidence: Annotated[float, typer.Option(help="Least score of a reported object.")] = 0.25,
    iou: Annotated[
        float, typer.Option(help="Overlap above which the weaker box is dropped.")
    ] = 0.7,
    note: Annotated[str, typer.Option(help="Whatever the list shall tell of it.")] = "",
    check: Annotated[bool, typer.Option(help="Test it here first, where that can be.")] = True,
    activate: Annotated[bool, typer.Option(help="Make it the active version.")] = True,
) -> None:
    """Add a version of a model, test it here, and make it the active one."""
    located = str(Path(source).resolve()) if Path(source).exists() else source
    found = sha256.lower() or source_digest(located)
    spec = ModelSpec(
        model=model,
        version=version or found[:VERSION_LENGTH] or weights_version(located),
        source=located,
        size_class=size_class,
        task=task,
        confidence=confidence,
        iou=iou,
        sha256=found,
    )
    asked = Asked(spec=spec, note=note, is_tested=check, is_activated=activate)
    made = terminal.run(_add(deployment(), asked))
    terminal.output().print(
        f"model [bold]{model}[/bold] version {made.version}, class {made.size_class}, {made.task}"
        f"{'' if activate else ', not active'}"
    )


def activate(model: Model, version: Version) -> None:
    """Make a version the active one. Detectors load it beside the old one, test it, and swap."""
    done = terminal.run(_with_catalog(deployment(), lambda c: c.activate(model, version)))
    terminal.output().print(f"{version} {'is' if done else 'was'} the active version of {model}")


def rollback(
    model: Model,
    leaving: Annotated[
        str, typer.Option("--from", help="Only when this version is active still.")
    ] = "",
) -> None:
    """Make active what was active before the active version came."""

    async def work(catalog: Catalog) -> str:
        return await catalog.rollback(model, leaving or (await catalog.get(model)).version)

    now = terminal.run(_with_catalog(deployment(), work))
    terminal.output().print(f"{now} is the active version of {model}")


def canary(
    model: Model,
    version: Annotated[str, typer.Argument(help="A version that is not active.")] = "",
    percent: Annotated[int, typer.Option(help="Its share of the streams, 1 to 99.")] = 10,
    off: Annotated[bool, typer.Option("--off", help="Give all streams to the active one.")] = False,
) -> None:
    """Run a version beside the active one for some of the streams, always the same ones."""
    if off == bool(version):
        raise Rejected("name a version or give --off, one of the two")
    if off:
        found = terminal.run(_with_catalog(deployment(), lambda c: c.clear_canary(model)))
        terminal.output().print("the canary is off" if found else "there was no canary")
        return
    terminal.run(_with_catalog(deployment(), lambda c: c.set_canary(model, version, percent)))
    terminal.output().print(f"{version} gets {percent} % of the streams of {model}")


def show(
    model: Annotated[str, typer.Argument(help="Show this model's versions.")] = "",
) -> None:
    """List the registered models, or the versions of one, and what detectors say of them."""
    lines, failures = terminal.run(_list(deployment(), model or None))
    console = terminal.output()
    if model:
        console.print(versions_table(lines[0], failures))
    else:
        console.print(models_table(lines, failures))


def remove(
    model: Model,
    version: Annotated[str, typer.Argument(help="Remove only this version.")] = "",
) -> None:
    """Forget a model without open sessions, or a version of it that does not run."""

    async def work(catalog: Catalog) -> bool:
        if version:
            return await catalog.remove_version(model, version)
        return await catalog.remove(model)

    found = terminal.run(_with_catalog(deployment(), work))
    what = f"version {version} of model {model}" if version else f"model {model}"
    terminal.output().print(f"{what} {'is removed' if found else 'was not there'}")


def publish() -> None:
    """Tell the detectors all models anew: after an outage, or when the topic was made anew."""
    names = terminal.run(_publish(deployment()))
    terminal.output().print(f"told {len(names)} models")


async def _add(target: Deployment, asked: Asked) -> ModelSpec:
    """Test a version here unless told otherwise, add it, and activate it."""
    await migrate(target.postgres)

    async def work(catalog: Catalog) -> ModelSpec:
        known = next((m for m in await catalog.versions() if m.model == asked.spec.model), None)
        spec = models.check(completed(asked.spec, known))
        classes: tuple[str, ...] | None = None
        if asked.is_tested:
            spec, classes = await _tested(catalog, asked, spec, known)
        await catalog.add(spec, note=asked.note, classes=classes)
        if asked.is_activated:
            await catalog.activate(spec.model, spec.version)
            await catalog.touch(spec.model)
        return spec

    return await _with_catalog(target, work)


async def _tested(
    catalog: Catalog, asked: Asked, spec: ModelSpec, known: Registered | None
) -> tuple[ModelSpec, tuple[str, ...] | None]:
    """Return the version as its weights are, and their classes; keep it as refused if it fails."""
    loader = engine_loader()
    reason = why_not_here(loader, spec)
    if reason is not None:
        terminal.messages().print(f"not tested here, detectors test it: {reason}", markup=False)
        return spec, None
    any_task = not asked.spec.task and (known is None or known.active is None)
    active = known.version(known.active) if known else None
    classes = None if active is None or active.version == spec.version else active.classes
    try:
        found = await asyncio.to_thread(examine, loader, spec, any_task=any_task, classes=classes)
    except Rejected as error:
        await catalog.refuse(spec, str(error))  # or it says what else stands in the way
        raise Rejected(f"version {spec.version} is refused, and kept as that: {error}") from error
    return found.spec, found.classes


def completed(spec: ModelSpec, known: Registered | None) -> ModelSpec:
    """Return the spec with what it leaves open taken from the model, or from its name."""
    size_class = spec.size_class or (known.size_class if known else size_class_of(spec.model))
    if not size_class:
        raise Rejected(f"the name {spec.model!r} does not tell a size class: give --size-class")
    task = spec.task or (known.task if known else "detect")
    return msgspec.structs.replace(spec, size_class=size_class, task=task)


async def _list(
    target: Deployment, model: str | None
) -> tuple[tuple[Registered, ...], dict[tuple[str, str], ModelFailure]]:
    async with database(target) as pool:
        lines = await Catalog(pool).versions(model)
    return lines, await _failures(target)


async def _failures(target: Deployment) -> dict[tuple[str, str], ModelFailure]:
    """Return what detectors have said of versions; nothing when the topic cannot be read."""
    try:
        rows = await snapshot(target.kafka, target.topics.models)
    except (Retryable, OSError) as error:
        terminal.messages().print(f"what detectors say is not known: {error}", markup=False)
        return {}
    told = [
        model_failures.decode(row) for key, row in rows.items() if model_failures.is_failure(key)
    ]
    return {(failure.model, failure.version): failure for failure in told}


async def _publish(target: Deployment) -> tuple[str, ...]:
    async with database(target) as pool:
        return await announce_all(pool, target.kafka, target.topics.models, target.clock.now())


async def _with_catalog(target: Deployment, work: Callable[[Catalog], Awaitable[T]]) -> T:
    """Change the registry, then tell the detectors, also of what could not be told before."""
    async with database(target) as pool:
        result = await work(Catalog(pool, target.clock))
        await announce(pool, target.kafka, target.topics.models, target.clock.now())
    return result
