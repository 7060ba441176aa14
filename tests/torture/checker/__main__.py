"""`python -m tests.torture.checker RECORD`: check a run again, while its services still stand."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.torture.checker import Verdict, check
from tests.torture.observations import read


def show(verdict: Verdict, console: Console) -> None:
    """Print what was broken, or what was counted."""
    table = Table("rule", "detail")
    for violation in verdict.violations:
        table.add_row(violation.rule, violation.detail)
    if not verdict.ok:
        console.print(table)
    for name, count in verdict.figures.items():
        console.print(f"{count:>12,}  {name}")


def main() -> int:
    """Return 1 when a rule is broken."""
    verdict = check(read(Path(sys.argv[1])))
    show(verdict, Console())
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main())
