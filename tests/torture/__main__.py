"""`python -m tests.torture`: run many seeds, or one again; exit 1 when a promise was broken."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.torture.job import Order, run_all
from tests.torture.outcome import Outcome, append
from tests.torture.plan import draw
from tests.torture.planted.__main__ import find_all
from tests.torture.report import line, show_broken, show_sums
from tests.torture.run import schedule_of

FOLDER = Path(".framemeter/torture")


def main(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from `first` on.")] = 20,
    seconds: Annotated[float, typer.Option(min=1, help="How long faults go on, each seed.")] = 60,
    first: Annotated[int, typer.Option(help="The first seed.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Run this seed alone.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=8, help="Seeds at the same time.")] = 1,
    folder: Annotated[Path, typer.Option(help="Where stacks run and broken runs are kept.")] = (
        FOLDER
    ),
    out: Annotated[Path | None, typer.Option(help="File that gets a line of JSON a seed.")] = None,
    planted: Annotated[
        bool, typer.Option(help="Plant the seven bugs first: the checker must find each.")
    ] = False,
) -> None:
    """Let real processes suffer faults, then check that no frame and no token is missing."""
    chosen = tuple(range(first, first + seeds)) if seed is None else (seed,)
    folder.mkdir(parents=True, exist_ok=True)
    results = out or folder / "results.jsonl"
    console = Console()
    if planted and not find_all(console):
        raise typer.Exit(1)
    outcomes: list[Outcome] = []
    columns = (TextColumn("torture"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("torture", total=len(chosen))
        order = Order(seeds=chosen, seconds=seconds, folder=folder.absolute())
        for outcome in run_all(order, jobs):
            outcomes.append(outcome)
            append(results, outcome)
            console.print(line(outcome))
            if not outcome.ok:
                show_broken(console, outcome, schedule_of(draw(outcome.seed, seconds)))
            progress.advance(task)
    show_sums(console, outcomes)
    console.print(f"one line a seed: {results}", markup=False)
    raise typer.Exit(0 if all(outcome.ok for outcome in outcomes) else 1)


if __name__ == "__main__":
    typer.run(main)
