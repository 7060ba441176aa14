"""`framemeter models`: register the models that streams and requests may name."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from billing.announcing import announce
from billing.catalog import Catalog
from billing.database import migrate
from billing.tariff import size_class_of
from cli import terminal
from cli.deployment import Deployment, database, deployment
from wire import models
from wire.errors import Rejected
from wire.models import ModelSpec

VERSION_LENGTH = 12


def build() -> typer.Typer:
    """Return the command group."""
    group = typer.Typer(no_args_is_help=True, help="Models: add, list.")
    group.command("add")(add)
    group.command("list")(show)
    return group


def weights_version(source: str) -> str:
    """Return the start of the weights' SHA-256, or the name's when Ultralytics holds the file.

    Of an OpenVINO model the `.bin` beside the `.xml` counts, for it holds the weights.
    """
    path = Path(source)
    content = path.with_suffix(".bin") if path.suffix == ".xml" else path
    if not content.exists():
        return hashlib.sha256(source.encode()).hexdigest()[:VERSION_LENGTH]
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:VERSION_LENGTH]


async def register(target: Deployment, specs: tuple[ModelSpec, ...]) -> None:
    """Give the models a price in the ledger, then tell the detectors about them."""
    if not specs:
        return
    await migrate(target.postgres)
    async with database(target) as pool:
        catalog = Catalog(pool)
        for spec in specs:
            await catalog.register(models.check(spec))
        await announce(pool, target.kafka, target.topics.models, target.clock.now())


def add(
    model: Annotated[str, typer.Argument(help="The name that streams use, such as yolov8s.")],
    source: Annotated[
        str, typer.Argument(help="A .pt or OpenVINO .xml file, or an Ultralytics name.")
    ],
    size_class: Annotated[str, typer.Option(help="n, s, m, l or x: decides the price.")] = "",
    confidence: Annotated[float, typer.Option(help="Least score of a reported object.")] = 0.25,
    iou: Annotated[
        float, typer.Option(help="Overlap above which the weaker box is dropped.")
    ] = 0.7,
) -> None:
    """Register a model, or make other weights its active version."""
    known = size_class or size_class_of(model)
    if known is None:
        raise Rejected(f"the name {model!r} does not tell a size class: give --size-class")
    located = str(Path(source).resolve()) if Path(source).exists() else source
    spec = ModelSpec(
        model=model,
        version=weights_version(located),
        source=located,
        size_class=known,
        confidence=confidence,
        iou=iou,
    )
    terminal.run(register(deployment(), (spec,)))
    terminal.output().print(f"model [bold]{model}[/bold] version {spec.version}, class {known}")


def show() -> None:
    """List the registered models."""
    specs = terminal.run(_list(deployment()))
    view = terminal.table("Models", ("model", "version", "class", "task", "source"))
    for spec in specs:
        view.add_row(spec.model, spec.version, spec.size_class, spec.task, spec.source)
    terminal.output().print(view)


async def _list(target: Deployment) -> list[ModelSpec]:
    async with database(target) as pool:
        return list(await Catalog(pool).list())
