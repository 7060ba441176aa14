"""`python -m tests.torture.planted [NAME ...]`: run the bugs; exit 1 when one is not found."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from tests.stack.kinds import local
from tests.stack.running import RunningStack
from tests.torture.checker import Verdict
from tests.torture.planted.bugs import BUGS, NO_BUG, Bug
from tests.torture.planted.world import judge

WORLDS = {NO_BUG.name: NO_BUG, **BUGS}
VALKEY_NUMBERS = 16


def is_as_expected(bug: Bug, verdict: Verdict) -> bool:
    """Say whether the checker found the bug, or nothing where there is none."""
    return bool(bug.expected & set(verdict.rules)) if bug.expected else verdict.ok


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which bugs; all when none is named.")
    ] = None,
) -> None:
    """Plant each bug into a small real world and show which rules found it."""
    unknown = sorted(set(names or ()) - set(WORLDS))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: choose of {', '.join(WORLDS)}")
    raise typer.Exit(0 if find_all(Console(), names) else 1)


def find_all(console: Console, names: Sequence[str] | None = None) -> bool:
    """Run the worlds; say whether the checker found each bug, and nothing where there is none."""
    table = Table()
    for title in ("bug", "what is wrong", "rules that found it", "frames", "seconds", ""):
        table.add_column(title, overflow="fold")
    missed = False
    with tempfile.TemporaryDirectory() as folder, local(Path(folder) / "stack") as stack:
        for number, name in enumerate(names or WORLDS):
            bug = WORLDS[name]
            console.print(f"{bug.name}: {bug.about}")
            began = time.monotonic()
            verdict = asyncio.run(run(bug, stack, Path(folder), number))
            table.add_row(*row(bug, verdict, time.monotonic() - began))
            if not is_as_expected(bug, verdict):
                missed = True
                for violation in verdict.violations:
                    console.print(f"  {violation.rule}: {violation.detail}", markup=False)
    console.print(table)
    return not missed


def row(bug: Bug, verdict: Verdict, seconds: float) -> tuple[str, ...]:
    """Return a world's row of the table."""
    found = "found" if bug.expected else "as it should be"
    return (
        bug.name,
        bug.about,
        "\n".join(verdict.rules) or "none",
        str(verdict.figures["frames"]),
        f"{seconds:.0f}",
        found if is_as_expected(bug, verdict) else "[red]WRONG",
    )


async def run(bug: Bug, stack: RunningStack, folder: Path, number: int) -> Verdict:
    """Run one bug on a database and a Valkey number of its own."""
    name = f"planted_{secrets.token_hex(4)}"
    (folder / name).mkdir()
    admin = await asyncpg.connect(stack.postgres)
    try:
        await admin.execute(f"create database {name}")
    finally:
        await admin.close()
    return await judge(
        bug,
        stack,
        postgres=urlunsplit(urlsplit(stack.postgres)._replace(path=f"/{name}")),
        redis=urlunsplit(urlsplit(stack.redis)._replace(path=f"/{number % VALKEY_NUMBERS}")),
        folder=folder / name,
    )


if __name__ == "__main__":
    typer.run(main)
