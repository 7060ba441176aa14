"""What is told while seeds run and when all have: a line for each, and the sums."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.torture.outcome import Outcome, totals

FOUND_SHOWN_MAX = 10
SHOWN = ("frames", "frames detected", "detections", "transfers charge", "answers")


def line(outcome: Outcome) -> str:
    """Return one run in a line."""
    mark = "[green]whole [/]" if outcome.ok else "[red]BROKEN[/]"
    numbers = {"faults": sum(outcome.faults.values())} | {
        name: outcome.figures.get(name, 0) for name in SHOWN
    }
    figures = "".join(f"  {number:>6,} {name}" for name, number in numbers.items())
    return f"seed {outcome.seed:>4}  {mark} {outcome.wall_s:5.0f} s{figures}"


def show_broken(console: Console, outcome: Outcome, schedule: str) -> None:
    """Say what was found, with the schedule and how to see it again."""
    for found in outcome.violations[:FOUND_SHOWN_MAX]:
        console.print(f"  {found.rule}: {found.detail}", style="red", markup=False)
    hidden = len(outcome.violations) - FOUND_SHOWN_MAX
    if hidden > 0:
        console.print(f"  and {hidden} more")
    console.print(schedule, markup=False)
    console.print(f"  logs, schedule, observations and evidence: {outcome.folder}", markup=False)
    seconds = f"{outcome.seconds:g}"
    console.print(f"  again: make torture SEED={outcome.seed} SECONDS={seconds}", markup=False)


def show_sums(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Show the tables of a whole session."""
    _show(console, "Faults", totals(outcome.faults for outcome in outcomes))
    _show(console, "HTTP answers", totals(outcome.answers for outcome in outcomes))
    _show(console, "Processes that ended by themselves", totals(it.deaths for it in outcomes))
    _show(console, "Checked", totals(outcome.figures for outcome in outcomes))
    broken = [outcome for outcome in outcomes if not outcome.ok]
    found = totals({it.rule: 1} for outcome in broken for it in outcome.violations)
    _show(console, "Violations", found)
    kept = f"{len(outcomes) - len(broken)} of {len(outcomes)} seeds kept every promise"
    console.print(kept, style="red" if broken else "green")


def _show(console: Console, title: str, numbers: dict[str, int]) -> None:
    if not numbers:
        return
    table = Table("what", title=title, title_justify="left")
    table.add_column("number", justify="right")
    for name, number in numbers.items():
        table.add_row(name, f"{number:,}")
    console.print(table)
