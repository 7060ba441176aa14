"""`framemeter tariff`: the price tables of this place, and corrections by another one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from billing.database import migrate
from billing.tariff import Tariff
from billing.tariff_diff import diff
from billing.tariff_document import encode
from billing.tariffs import Added, Tariffs
from cli import tariff_tables, terminal
from cli.deployment import Deployment, database, deployment
from cli.rerate import rerate
from wire.errors import Rejected


def build() -> typer.Typer:
    """Return the command group."""
    group = typer.Typer(no_args_is_help=True, help="Prices: show, list, add, diff, rerate.")
    group.command("show")(show)
    group.command("list")(show_all)
    group.command("add")(add)
    group.command("diff")(compare)
    group.command("rerate")(rerate)
    return group


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    tariffs: list[Tariff]
    in_force: str


def show(
    version: Annotated[
        str, typer.Argument(help="Which tariff; without it, the one in force.")
    ] = "",
    json: Annotated[
        bool, typer.Option("--json", help="The document, as `tariff add` takes it.")
    ] = False,
) -> None:
    """Show what frames cost under a tariff, and its factors."""
    tariff = terminal.run(_get(deployment(), version))
    if json:
        terminal.output().print(encode(tariff), soft_wrap=True, highlight=False, markup=False)
        return
    for view in tariff_tables.of_tariff(tariff):
        terminal.output().print(view)


async def _get(target: Deployment, version: str) -> Tariff:
    async with database(target) as pool:
        tariffs = Tariffs(pool, target.clock)
        return await (tariffs.get(version) if version else tariffs.in_force(target.clock.now()))


def show_all() -> None:
    """List the tariffs in the order of their start."""
    known = terminal.run(_list(deployment()))
    terminal.output().print(tariff_tables.of_all(known.tariffs, in_force=known.in_force))


async def _list(target: Deployment) -> _Known:
    async with database(target) as pool:
        tariffs = Tariffs(pool, target.clock)
        in_force = await tariffs.in_force(target.clock.now())
        return _Known(tariffs=await tariffs.list(), in_force=in_force.version)


def add(
    file: Annotated[Path, typer.Argument(help="A JSON document; begin with `tariff show --json`.")],
) -> None:
    """Add a tariff that starts after all others. Open sessions keep their price."""
    try:
        document = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(f"cannot read a tariff from {file}: {error}") from error
    added = terminal.run(_add(deployment(), document))
    told = "starts at" if added.applied else "was there already and starts at"
    terminal.output().print(
        f"tariff [bold]{added.tariff.version}[/bold] {told} {added.tariff.starts_at.isoformat()}"
    )


async def _add(target: Deployment, document: str) -> Added:
    await migrate(target.postgres)
    async with database(target) as pool:
        return await Tariffs(pool, target.clock).add(document)


def compare(
    before: Annotated[str, typer.Argument(help="A tariff's version.")],
    after: Annotated[str, typer.Argument(help="Another one's.")],
) -> None:
    """Show which factors change from one tariff to another, and by how much prices do."""
    was, becomes = terminal.run(_two(deployment(), before, after))
    for view in tariff_tables.of_diff(diff(was, becomes), before=before, after=after):
        terminal.output().print(view)


async def _two(target: Deployment, before: str, after: str) -> tuple[Tariff, Tariff]:
    async with database(target) as pool:
        tariffs = Tariffs(pool, target.clock)
        return await tariffs.get(before), await tariffs.get(after)
