"""`python -m tests.simulation`: the protocols through many schedules of faults, each from a seed.

Exit code 1 when a promise was broken, or a planted bug was not found.
"""

import time
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.campaign import FAILURES_MAX, Outcome, bugs, needed, run_all
from tests.simulation.chance import FAULTS
from tests.simulation.chaos import EVENTS
from tests.simulation.rows import Violation
from tests.simulation.schedule import simulate, simulated

PLANTED_SCHEDULES_MAX = 10_000
console = Console(highlight=False)


def main(
    schedules: Annotated[int, typer.Option(min=1, help="How many schedules to run.")] = 20_000,
    jobs: Annotated[int, typer.Option(min=1, help="On how many cores.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first seed; one schedule each.")] = 0,
    planted: Annotated[bool, typer.Option(help="Plant each known bug and find it.")] = False,
    bug: Annotated[str, typer.Option(help="Only planted bugs whose name contains this.")] = "",
    trace: Annotated[bool, typer.Option(help="Print each step of the seed's schedule.")] = False,
) -> None:
    """Simulate; print what was exercised, how fast, and every failing seed."""
    if trace:
        replay(seed)
    elif planted or bug:
        hunt(bug, seed)
    else:
        campaign(seed, schedules, jobs)


def replay(seed: int) -> None:
    """Run one schedule and print its steps."""
    with simulated():
        try:
            world = simulate(seed, Counter(), lambda step: console.print(step, markup=False))
        except (Violation, AssertionError) as error:
            console.print(f"[bold red]{type(error).__name__}[/bold red]: {error}")
            raise typer.Exit(1) from error
    console.print(f"seed {seed}: every promise kept, {world.now:.1f} simulated seconds")


def hunt(name: str, seed: int) -> None:
    """Plant bugs, one at a time, and say how many schedules each took to be found."""
    view = Table("planted bug", "schedules", "what broke")
    missed = 0
    for bug in bugs(name):
        found = needed(bug, seed, PLANTED_SCHEDULES_MAX)
        missed += found is None
        schedules, failure = found or (PLANTED_SCHEDULES_MAX, "[bold red]NOT FOUND[/bold red]")
        view.add_row(bug.name, f"{schedules:,}", failure[:90])
    console.print(view)
    raise typer.Exit(1 if missed else 0)


def campaign(seed: int, schedules: int, jobs: int) -> None:
    """Run the schedules and print a summary."""
    begun = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("schedules", total=schedules)

        def progress(outcome: Outcome) -> None:
            rate = outcome.schedules / (time.monotonic() - begun) * 60
            bar.update(task, completed=outcome.schedules, description=f"{rate:,.0f} a minute")

        total = run_all(seed, schedules, jobs, progress)
    console.print(exercised(total))
    minutes = (time.monotonic() - begun) / 60
    console.print(
        f"{total.schedules:,} schedules from seed {seed} in {minutes:.1f} min on {jobs} core(s):"
        f" {total.schedules / minutes:,.0f} a minute, {len(total.failures)} failed"
    )
    for failing, failure in total.failures[:FAILURES_MAX]:
        console.print(f"seed {failing}: {failure}", style="red", markup=False)
        console.print(f"  replay: python -m tests.simulation --trace --seed {failing}")
    raise typer.Exit(1 if total.failures else 0)


def exercised(outcome: Outcome) -> Table:
    """Return what happened, in all and in 1,000 schedules."""
    view = Table("what happened", "times", "per 1,000")
    faults = (*FAULTS, *dict.fromkeys(EVENTS))
    others = sorted(kind for kind in outcome.counts if kind not in faults)
    for kind in (*others, *faults):
        times = outcome.counts[kind]
        view.add_row(kind, f"{times:,}", f"{times / outcome.schedules * 1_000:,.0f}")
    return view


if __name__ == "__main__":
    typer.run(main)
